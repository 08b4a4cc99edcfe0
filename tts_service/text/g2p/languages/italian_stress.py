"""Find the stressed vowel of Italian words: by accent, by ending, else the second to last syllable.

The endings are those that Italian grammars list for words stressed on the third vowel from the end
(parole sdrucciole). The word lists hold common words whose endings do not show the stress.
"""

from __future__ import annotations

import re

from tts_service.text.word_set import word_set

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
"""Words with an ending of `_THIRD` that are stressed on the second vowel from the end."""

_THIRD_WORDS = word_set(
    "abbiano abita abitano abiti abito accogliere agile alberi albero amano anima anime animo "
    "appendice arabi arabo arido artefice ascoltano asino aspettano astronomo atomi atomo "
    "attimi attimo autonomo barbaro bergamo briciola briciole calice camera candido cantano "
    "carnefice cattedra celebre celebri cembalo cercano chiamano chiocciola chiocciole cimice "
    "codice cofano cogliere cominciano compito complice comprano considera credito crescita "
    "crimine cronaca debbano debito decimo deposito desidera desiderano dicano diedero "
    "difficile difficili diventano dollari dollaro dubita dubito ebbero ebete economo "
    "elicottero entrano episodio esercito facciano facile facili fecero fegato femmina femmine "
    "forbice fragile fulmine generi genero genova giocano giovane giovani giudice gomito "
    "guardano helicottero incendio indicano indice iniziano interprete interpreti intimo "
    "intonaco inutile lacrima lacrime lampada lampade lasciano lavorano legittimo lettera "
    "libera liberi libero limite limiti liquido lucciola lucciole macchina macchine mandano "
    "mandorla mangiano margine martire maschera massima massimi massimo merito metodi metodo "
    "minima minimo misero modena monaco nascita numeri numero opera ordine ordini orfano organi "
    "organo otranto ottima ottimo padova pagano pagina palpebra pampini parlano passano pensano "
    "perdita perdite periodi periodo pettine platano pollice portano possano povera poveri "
    "povero presero prestito principe principi prossima prossime prossimi prossimo pulpito "
    "raccogliere rendita restano rimini sabato sandalo sappiano satira scandalo scegliere "
    "sciogliere sedano semaforo sembrano semplice simile simili sindaci sindaco spirito "
    "splendido stomaco studiano subito suocero taranto telefona tempera tempora tenebra tenero "
    "termine termini timpano togliere tornano transito trapani ultima ultime ultimi ultimo "
    "umile umili uomini usano utile utili vandalo vendita vendite vennero vertebra vertice "
    "vescovo viaggiano videro vipera visita visitano vittima vittime vogliano vogliono vomito "
    "zaffiro zingaro zucchero"
)
"""Common words stressed on the third vowel from the end whose endings do not show it."""

_HIATUS = re.compile(
    r"(?:log|graf|nom|sof|pat|fon|metr|arch|crat?z|urg|eri|cra)i[ae]$"
    r"|^(?:farmaci|bugi|energi|allergi|strategi|magi|nostalgi|polizi|pulizi|democrazi|burocrazi"
    r"|compagni|armoni|sinfoni|ironi|mani|agoni|poesi|fantasi|cortesi|gelosi|ipocrisi|melodi"
    r"|malatti|garanzi|mari|luci|batteri|scrivani|osteri|pizzeri|libreri|galleri|lotteri"
    r"|periferi|categori|teori|folli|regi|spi|vi|zi|mi|di|ri|sci|pi|ragioneri|tuttavi"
    r"|chirurgi|terapi|utopi|eresi|anarchi|monarchi|geografi|fotografi|economi"
    r"|signori|amni|biografi)[aeo]$|^(?:addi|mi|zi|i|pendi|obli|brusi|ron|fri)o$|ii$"
)
_TRUNCATED = re.compile(r"(?:[^aeiou]*[aeiou][^aeiou]+|.*[aeo][rnl])$")


def plain_letters(word: str) -> str:
    """Return `word` without accents."""
    return word.translate(_ACCENTS)


def nuclei(letters: str, stress: int | None = None) -> list[int]:
    """Return the positions of the vowels that carry a syllable.

    Excluded are i and u that glide into or out of another vowel, the i that only softens c, g and
    sc, and the u of qu and gu. A stressed vowel always carries a syllable.
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
    """Return the position of a lower-case word's stressed vowel; None where it has no vowel."""
    for position in range(len(word) - 1, -1, -1):
        if word[position] in _ACCENTED:
            return position
    letters = plain_letters(word)
    if _HIATUS.search(letters):
        return len(letters) - 2
    found = nuclei(letters)
    vowels = [position for position, letter in enumerate(letters) if letter in _VOWELS]
    if len(found) < 2:
        # mio, tuo, due: the glide is the only other vowel beside the last one.
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
