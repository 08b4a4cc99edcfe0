"""Normalisation: what people write, and what they say."""

from __future__ import annotations

import unicodedata

import pytest

from tts_service.text.normalize import normalize

ENGLISH = [
    ("It's 3 p.m. Now go.", "It's three P M. Now go."),
    ("At 10:00, 14:05 and 9:15 am", "At ten o'clock, fourteen oh five and nine fifteen A M"),
    ("on 03/04/2025", "on March fourth, twenty twenty-five"),
    ("on 13/04/2025", "on April thirteenth, twenty twenty-five"),
    ("2025-04-03", "April third, twenty twenty-five"),
    ("April 3, 2025", "April third, twenty twenty-five"),
    ("the 3rd of May", "the third of May"),
    ("May I come?", "May I come?"),
    ("born in 1905", "born in nineteen oh-five"),
    ("1500 miles", "one thousand five hundred miles"),
    ("the 1990s and '80s", "the nineteen nineties and eighties"),
    ("$12.50", "twelve dollars and fifty cents"),
    ("$1, $0.50, £1.01", "one dollar, fifty cents, one pound and one penny"),
    ("$3 million", "three million dollars"),
    ("$1.5 billion", "one point five billion dollars"),
    ("-5 °C", "minus five degrees Celsius"),
    ("3.5 MB", "three point five megabytes"),
    ("1 km, 2 km", "one kilometer, two kilometers"),
    ("65 mph", "sixty-five miles per hour"),
    ("0.5%", "zero point five percent"),
    ("1,234,567", "one million two hundred and thirty-four thousand five hundred and sixty-seven"),
    ("007", "zero zero seven"),
    ("555-0134", "five five five, zero one three four"),
    ("(212) 555-0199", "two one two, five five five, zero one nine nine"),
    ("2 + 2 = 4", "two plus two equals four"),
    ("10 - 4 = 6", "ten minus four equals six"),
    ("Dr. No on Main St. in St. Louis", "Doctor No on Main Street in Saint Louis"),
    ("No. 5 and #7", "number five and number seven"),
    ("No. I will not.", "No. I will not."),
    ("info@example.com", "info at example dot com"),
    ("https://www.example.com/path.", "example dot com slash path."),
    ("#voicemesh @maria", "hashtag voicemesh at maria"),
    ("the FBI and NASA", "the F B I and NASA"),
    ("Henry VIII, World War II", "Henry the eighth, World War two"),
    ("Malcolm X", "Malcolm X"),
    ("the part I like, class C, Part I", "the part I like, class C, Part one"),
    ("3/4 and 2 1/2 and ½", "three quarters and two and one half and one half"),
    ("24/7", "twenty-four seven"),
    ("10–20 km", "ten to twenty kilometers"),
    ("1939-1945", "nineteen thirty-nine to nineteen forty-five"),
    ("e.g. cats, etc. The end", "For example cats, et cetera. The end"),
    ("3.11.2", "three point eleven point two"),
    ("R&D", "R and D"),
    ("HELLO WORLD THIS IS LOUD", "hello world this is loud"),
    ("😀 hi 👍🏽!", "hi!"),
    ("**Bold**\n# Title\n- item", "Bold\nTitle\nitem"),
    ("1st, 22nd, 103rd", "first, twenty-second, one hundred and third"),
]
SPANISH = [
    ("a las 10:30", "a las diez y treinta"),
    ("a las 10.30 h", "a las diez y treinta"),
    ("3 p. m.", "tres de la tarde."),
    ("el 1 de enero de 2024", "el primero de enero de dos mil veinticuatro"),
    ("03/04/2025", "tres de abril de dos mil veinticinco"),
    ("1 libra, 21 libras, 200 personas", "una libra, veintiuna libras, doscientas personas"),
    ("31 días, 2 manos, tengo 1", "treinta y un días, dos manos, tengo uno"),
    ("21.000 personas", "veintiuna mil personas"),
    ("3,99 €", "tres euros con noventa y nueve céntimos"),
    ("2.000.000 €", "dos millones de euros"),
    ("$3 millones", "tres millones de dólares"),
    ("3,5 MB, 1 t", "tres coma cinco megabytes, una tonelada"),
    ("45 %", "cuarenta y cinco por ciento"),
    ("Luis XIV, Isabel II, siglo XX", "Luis catorce, Isabel segunda, siglo veinte"),
    ("1.er puesto, 3.ª carrera, 13.º", "primer puesto, tercera carrera, decimotercero"),
    ("nº 5", "número cinco"),
    ("la Sra. Ruiz y Ud.", "la señora Ruiz y usted"),
    ("el Sr. Gil, p. ej. hoy", "el señor Gil, por ejemplo hoy"),
    ("la ONU y el FBI", "la ONU y el efe be i"),
    ("915 550 134", "nueve uno cinco, cinco cinco cero, uno tres cuatro"),
    ("2/3", "dos tercios"),
    ("¿Qué? ¡Sí!", "¿Qué? ¡Sí!"),
    ("info@ejemplo.es", "info arroba ejemplo punto es"),
]
PORTUGUESE = [
    ("às 14h30", "às catorze e trinta"),
    ("14h, 1h", "catorze horas, uma hora"),
    ("1º de maio", "primeiro de maio"),
    ("03/04/2025", "três de abril de dois mil e vinte e cinco"),
    ("2 horas, 21 pessoas", "duas horas, vinte e uma pessoas"),
    ("2 mil pessoas, 2 dias", "duas mil pessoas, dois dias"),
    ("200 mulheres", "duzentas mulheres"),
    ("R$ 1.234,56", "mil duzentos e trinta e quatro reais e cinquenta e seis centavos"),
    ("R$ 1,00; R$ 0,50", "um real; cinquenta centavos"),
    ("R$ 3 milhões", "três milhões de reais"),
    ("D. Pedro II, século XX", "Dom Pedro segundo, século vinte"),
    ("2ª corrida", "segunda corrida"),
    ("(11) 5555-0134", "um um, cinco cinco cinco cinco, zero um três quatro"),
    ("90 km/h", "noventa quilômetros por hora"),
    ("a Dra. Ana na Av. Brasil", "a doutora Ana na avenida Brasil"),
    ("Silva Ltda.", "Silva Limitada."),
    ("www.exemplo.com.br", "exemplo ponto com ponto bê érre"),
]
FRENCH = [
    ("à 10h30, 21 h", "à dix heures trente, vingt et une heures"),
    ("le 1er janvier 2024", "le premier janvier deux mille vingt-quatre"),
    ("03/04/2025", "trois avril deux mille vingt-cinq"),
    ("21 personnes, 1 jour", "vingt et une personnes, un jour"),
    ("12,50 €", "douze euros et cinquante centimes"),
    ("250 000 €", "deux cent cinquante mille euros"),
    ("5 000 000 €, 3 M€", "cinq millions d'euros, trois millions d'euros"),
    ("1\u202f234,5", "mille deux cent trente-quatre virgule cinq"),
    ("François Ier, Louis XIV", "François premier, Louis quatorze"),
    ("au XIXe siècle", "au dix-neuvième siècle"),
    ("Le petit train", "Le petit train"),
    ("1re, 2e, 80e, 2nde", "première, deuxième, quatre-vingtième, seconde"),
    ("n° 5", "numéro cinq"),
    ("chez Mme Petit et M. Grand", "chez madame Petit et monsieur Grand"),
    ("01 23 45 67 89", "zéro un, vingt-trois, quarante-cinq, soixante-sept, quatre-vingt-neuf"),
    ("3,5 Mo", "trois virgule cinq mégaoctets"),
    ("la SNCF et l'OTAN", "la esse enne cé effe et l'OTAN"),
    ("Où ? Là !", "Où? Là!"),
]
ITALIAN = [
    ("alle 10.30, ore 21", "alle dieci e trenta, ore ventuno"),
    ("il 1° maggio", "il primo maggio"),
    ("03/04/2025", "tre aprile duemilaventicinque"),
    ("1 libbra, 1 studente, 1 amico", "una libbra, uno studente, un amico"),
    ("1 ora, 1 problema", "un'ora, un problema"),
    ("12,50 €", "dodici euro e cinquanta centesimi"),
    ("2 milioni di euro", "due milioni di euro"),
    ("35°, 3° posto", "trentacinque gradi, terzo posto"),
    ("Luigi XIV, Elisabetta II", "Luigi quattordicesimo, Elisabetta seconda"),
    ("nel XX secolo", "nel ventesimo secolo"),
    ("il sig. Rossi e la dott.ssa Verdi", "il signor Rossi e la dottoressa Verdi"),
    ("la S.p.A. e la RAI", "la esse pi a e la RAI"),
    ("gli anni '80", "gli anni ottanta"),
    ("90 km/h", "novanta chilometri orari"),
    ("5/6", "cinque sesti"),
]
CASES = [
    *(("en", *case) for case in ENGLISH),
    *(("es", *case) for case in SPANISH),
    *(("pt-br", *case) for case in PORTUGUESE),
    *(("fr", *case) for case in FRENCH),
    *(("it", *case) for case in ITALIAN),
]


@pytest.mark.parametrize(("language", "written", "spoken"), CASES)
def test_reads(language: str, written: str, spoken: str) -> None:
    assert normalize(written, language) == spoken


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "Well, what now? I said: stop!"),
        ("es", "¿Dónde está la niña? Allí, en la plaza."),
        ("pt", "Não sei; talvez amanhã, à tarde…"),
        ("fr", "L'été, aujourd'hui, c'est-à-dire demain."),
        ("it", "Perché no? Dov'è l'università?"),
        ("en", "First line\nsecond line"),
    ],
)
def test_plain_words_stay_as_they_are(language: str, sentence: str) -> None:
    assert normalize(sentence, language) == sentence


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("de", "21 Katzen", "einundzwanzig Katzen"),
        ("de-AT", "1.234,5", "eintausendzweihundertvierunddreißig Komma fünf"),
        ("ja", "2025年です", "2025年です"),
        ("zh", "我有3只猫", "我有3只猫"),
        ("hi", "3 बजे", "3 बजे"),
        ("tlh", "naDev 3", "naDev 3"),
    ],
)
def test_other_languages_get_number_words_at_most(language: str, written: str, spoken: str) -> None:
    assert normalize(written, language) == spoken


def test_form_is_composed_and_control_characters_go() -> None:
    spoken = normalize("e\u0301te\u0301\u200b \x07a\u00adb", "fr")
    assert spoken == "été ab"
    assert unicodedata.is_normalized("NFC", spoken)


def test_foreign_digits_are_numbers_too() -> None:
    assert normalize("٣ and ４２", "en") == "three and forty-two"
