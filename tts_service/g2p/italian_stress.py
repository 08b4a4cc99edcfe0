"""Where an Italian word is stressed: on its accent, else by its ending, else second to last.

The endings are those that Italian grammars list for words stressed on the third vowel from the
end (parole sdrucciole); the word lists hold common words that no ending gives away.
"""

from __future__ import annotations

import re

_ACCENTS = str.maketrans("àáâèéêìíîòóôùúûü", "aaaeeeiiiooouuuu")
_ACCENTED = frozenset("àáèéìíòóùú")
_VOWELS = "aeiou"

_THIRD = re.compile(
    r"(?:issim[oaie]|errim[oaie]|[aieou]bil[ei]|evol[ei]|ttil[ei]|ic(?:o|a|i|he|hi)|log(?:o|a|hi|he|i)"
    r"|graf[oaie]|metr[oi]|fon[oi]|crat[oaie]|[aeiou]rono|[aeiou]vano|[aei]sser[oa]|rebbero"
    r"|[bcdfglmnprstvz]ono|udin[ei]|[aiou]gin[ei]|esim[oaie]|onim[oaie]|ul[oaie]|[^riuaeo]ol[oaie]"
    r"|ifer[oaie]|pol[oi]|dromo|gen[oaie]|gon[oi]|vor[oaie]|cid[oaie]|[pltmv]id[oaie]|[^aeiou]ere"
    r"|acol[oaie]|col[oaie])$"
)
_SECOND = re.compile(
    r"(?:trice|trici|iere|ieri|(?:^|.)(?:avere|apere|vedere|possedere|dovere|potere|volere|tenere"
    r"|cadere|godere|piacere|tacere|giacere|sedere|rimanere|permanere|valere|parere|suadere|dolere)"
    r"|^(?:amic|nemic|antic|fatic|formic|rubric|ortic|vescic|mendic|pudic|felic|infelic|radic"
    r"|cornic|vernic|naric|camic)(?:o|a|i|he|hi|e)"
    r"|^(?:temere|bere|parol[ae]|pistol[ae]|fagiolo|spagnol[oaie]|gentil[ei]|severe|sincere))$"
)
"""Words that end like those of `_THIRD` and are not."""

_THIRD_WORDS = frozenset(
    "essere leggere scrivere prendere mettere chiedere rispondere vivere credere perdere ridere "
    "vendere correre crescere nascere conoscere piangere spingere vincere scegliere togliere "
    "raccogliere accogliere sciogliere aggiungere raggiungere giungere rompere scendere spendere "
    "accendere rendere difendere decidere dividere uccidere chiudere concludere escludere perdere "
    "muovere piovere ricevere scuotere cuocere nuocere discutere ripetere riflettere permettere "
    "promettere smettere trasmettere ammettere assumere esprimere stringere dipingere fingere "
    "cogliere volgere svolgere rivolgere risolvere assolvere dirigere correggere proteggere "
    "distruggere fuggire ardere attendere comprendere apprendere sorprendere dipendere offendere "
    "tendere intendere pretendere estendere fondere confondere diffondere nascondere correggere "
    "camera numero albero sabato domenica tavolo tavola macchina musica medico medici pagina "
    "pagine isola isole popolo secolo secoli titolo angolo articolo articoli piccolo piccola "
    "piccoli piccole giovane giovani ultimo ultima ultimi ultime prossimo prossima prossimi "
    "prossime massimo massima massimi minimo minima ottimo ottima facile facili difficile "
    "difficili utile utili inutile simile simili fragile agile mobile mobili automobile "
    "automobili telefono telefoni chilometro chilometri metropoli lettera lettere opera opere "
    "genere generi ordine ordini termine termini origine immagine immagini limite limiti margine "
    "zucchero cenere polvere povero povera poveri libero libera liberi tenero genero suocero "
    "asino fegato stomaco anima anime animo maschera vipera tempera temperatura cattedra "
    "principe principi giudice giudici indice indici codice codici semplice semplici complice "
    "radice unico unica unici uniche pubblico pubblica pubblici logico logica magico tipico "
    "classico comico critico politico politica politici america africa fabbrica fabbriche "
    "grafico traffico pacifico scientifico elettrico storico storica tecnico tecnica pratico "
    "pratica fisico fisica chimico simpatico simpatica matematica grammatica informatica "
    "lampada lampade rapido rapida solido liquido timido stupido splendido umido candido valido "
    "vivido acido arido nitido lucido abitano parlano mangiano lavorano cantano giocano guardano "
    "ascoltano aspettano comprano trovano pensano studiano viaggiano portano tornano entrano "
    "restano arrivano amano chiamano mandano passano pagano usano cercano iniziano cominciano "
    "sembrano diventano abita abiti abito telefona telefono visita visitano dubito dubita "
    "desidera desiderano considera celebre celebri alberi numeri tavoli angoli titoli popoli "
    "chiocciola chiocciole briciola briciole lucciola lucciole medesimo legittimo anonimo sinonimo intimo prestito credito debito subito gomito spirito "
    "esercito compito merito deposito vomito transito attimo attimi scatola scatole favola "
    "favole pentola regola regole tegola nuvola nuvole formula formule bambola bussola "
    "cellula virgola nespola fragola fragole mandorla pillola particella zingaro barbaro "
    "zaffiro satira lacrima lacrime vittima vittime femmina femmine foglia uomini giovani "
    "crimine fulmine nuvolo platano sedano orfano organo organi cofano pampini napoli padova "
    "genova modena bergamo rimini taranto trapani otranto cantico dodici tredici quattordici "
    "quindici sedici undici carcere passero pettine incendio debole deboli nobile nobili "
    "umile umili stabile stabili possibile arabo arabi scarica carica cariche carico manica "
    "maniche predica modifica verifica significa indica indicano applica pubblica dedica "
    "comunica complica sandalo scandalo crisantemo vescovo diavolo cavolo pericolo pericoli "
    "ridicolo spettacolo spettacoli ostacolo ostacoli miracolo miracoli oracolo muscolo "
    "muscoli calcolo calcoli veicolo veicoli capitolo capitoli semola cupola gondola macchine "
    "camere vendita vendite perdita perdite nascita crescita uscita_ rendita gravita_ "
    "tempora interprete interpreti vertebra palpebra tenebra ossigeno idrogeno azoto_ "
    "euro_ dollaro dollari zucchine_ centesimo centesimi decimo ventesimo sindaco sindaci "
    "monaco cronaca intonaco cuccetta_ mandano lasciano pulpito cembalo timpano timbro_ "
    "vogliono possono devono vanno_ dicono fanno_ sono_ vengono tengono escono mettono leggono "
    "scrivono prendono vivono credono vedono corrono chiedono rispondono conoscono "
    "diedero fecero dissero misero presero scrissero lessero vennero ebbero furono_ videro "
    "facciano possano dicano debbano vogliano sappiano abbiano siano_ "
    "semaforo portico atomo atomi metodo metodi periodo periodi episodio "
    "autonomo economo astronomo catalogo dialogo dialoghi prologo monologo "
    "biologo psicologo vandalo carnefice artefice vertice vertici pollice pollici calice "
    "forbice forbici cimice appendice matrice_ helicottero elicottero pubblicita_ mitico "
    "ebete prete_ vedere_ tempio_ martire lapide cupido_ pallido ripido gelido".replace(
        "_", ""
    ).split()
) - frozenset(
    "uscita gravita azoto euro zucchine cuccetta timbro vanno fanno sono furono siano "
    "pubblicita matrice prete vedere tempio cupido radice fuggire temperatura particella "
    "foglia crisantemo".split()
)
_HIATUS = re.compile(
    r"(?:log|graf|nom|sof|pat|fon|metr|arch|crat?z|urg|eri|cra)i[ae]$"
    r"|^(?:farmaci|bugi|energi|allergi|strategi|magi|nostalgi|polizi|pulizi|democrazi|burocrazi"
    r"|compagni|armoni|sinfoni|ironi|mani|agoni|poesi|fantasi|cortesi|gelosi|ipocrisi|melodi"
    r"|malatti|garanzi|mari|luci|batteri|scrivani|osteri|pizzeri|librer[i]|galleri|lotteri"
    r"|periferi|categori|teori|follí|folli|regi|spi|vi|zi|mi|di|ri|sci|pi|ragioneri|tuttavi"
    r"|chirurgi|terapi|utopi|copi_|eresi|anarchi|monarchi|geografi|fotografi|economi"
    r"|signori|amni|biografi)[aeo]$|^(?:addi|mi|zi|i|pendi|obli|brusi|mormori_|ron|fri)o$|ii$"
)
_TRUNCATED = re.compile(r"(?:[^aeiou]*[aeiou][^aeiou]+|.*[aeo][rnl])$")


def plain_letters(word: str) -> str:
    """`word` without accents."""
    return word.translate(_ACCENTS)


def nuclei(letters: str, stress: int | None = None) -> list[int]:
    """Positions of the vowels that carry a syllable.

    Not among them: i and u that glide into or out of another vowel, the i that only softens c, g
    and sc, the u of qu and gu. A stressed vowel always carries one.
    """
    found: list[int] = []
    for position, letter in enumerate(letters):
        if letter not in _VOWELS:
            continue
        if position != stress and letter in "iu" and _glides(letters, position, stress):
            continue
        found.append(position)
    return found


def _glides(letters: str, position: int, stress: int | None) -> bool:
    following = letters[position + 1 : position + 2]
    previous = letters[position - 1 : position]
    if following and following in _VOWELS:
        return following not in "iu" or position + 1 == stress or letters[position] == "i"
    return (
        bool(previous) and previous in "aeo" and not letters.startswith(("sm", "st"), position + 1)
    )


def stressed_vowel(word: str) -> int | None:
    """Position of the stressed vowel in `word` (lower case); None where it has no vowel."""
    for position in range(len(word) - 1, -1, -1):
        if word[position] in _ACCENTED:
            return position
    letters = plain_letters(word)
    if _HIATUS.search(letters):
        return len(letters) - 2
    found = nuclei(letters)
    vowels = [position for position, letter in enumerate(letters) if letter in _VOWELS]
    if len(found) < 2:
        # mio, tuo, due: the glide is all there is besides the last vowel.
        if (
            len(vowels) == 2
            and vowels[1] == len(letters) - 1
            and letters[vowels[0]] in "iu"
            and (letters[:2] not in ("pi", "qu", "ci", "gi", "gu") and len(letters) <= 4)
        ):
            return vowels[0]
        return found[0] if found else (vowels[0] if vowels else None)
    if letters[-1] not in _VOWELS and _TRUNCATED.match(letters):
        return found[-1]
    third = letters in _THIRD_WORDS or (_THIRD.search(letters) and not _SECOND.search(letters))
    if len(found) > 2 and third:
        return found[-3]
    return found[-2]
