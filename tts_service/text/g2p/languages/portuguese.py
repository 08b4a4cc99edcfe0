"""Brazilian Portuguese grapheme-to-phoneme rules.

The notation is espeak-ng's for `pt-br` as misaki writes it, because Kokoro's Portuguese voices were
trained on it: final a is `æ`, e `y`, o `ʊ`; an r that closes a syllable is `ɾə`; nasal vowels
before a consonant have `ŋ`. Source of the rules: T. Cristófaro Silva, "Fonética e Fonologia do
Português".
"""

from __future__ import annotations

import re

from tts_service.text.g2p.languages.portuguese_stress import VOWELS, stressed, syllabic
from tts_service.text.g2p.tokens import is_word, tokens
from tts_service.text.g2p.vocabulary import fit
from tts_service.text.word_set import word_set

_LEANING = word_set(
    "o os a as um uns de do da dos das em no na nos nas num numa ao aos à às e ou que se me "
    "te lhe lhes vos por com"
)
"""Words without a stress of their own."""

_OPEN_E = re.compile(
    r"^(?:dez|sete|ela|elas|mel|pé|até|terra|serra|guerra|festa|perto|certo|certa|aberto|aberta"
    r"|velha|leste|resto|teste|peste|neve|breve|greve|leve|serve|inverno|moderno|moderna|caderno"
    r"|eterno|janela|janelas|panela|novela|novelas|bela|belas|belo|belos|amarelo|amarela"
    r"|completo|objeto|projeto|projetos|direto|correto|concreto|secreto|neto|neta|teto|predio|metro|metros"
    r"|quilômetro|pedra|pedras|época|hotel|papel|anel|mulher|mulheres|colher|quer|quero|espera|era|eram|fera"
    r"|primavera|severo|sincero|zero|mero|média|pressa|promessa|conversa|diversa|universo|verso|inverso"
    r"|nesta|desta|esta|essa|nessa|dessa|aquela|nela|dela|quela|internet|chefe|febre|célebre|leque"
    r"|cheque|moleque|atleta|meta|reta|seta|biblioteca|discoteca|seca|eca)$"
)
_OPEN_O = re.compile(
    r"^(?:hora|horas|nove|novos|nova|novas|porta|portas|forte|fortes|norte|morte|sorte|esporte"
    r"|esportes|transporte|agora|fora|embora|senhora|senhoras|nora|melhor|maior|menor|pior|sol|lençol"
    r"|futebol|escola|escolas|bola|bolas|cola|mola|viola|sacola|jogos|ovos|olhos|corpos|povos|nosso|nossa"
    r"|nossos|nossas|vosso|vossa|posso|pode|podem|roda|moda|loja|lojas|logo|foto|fotos|moto|voto|voz|após|avós"
    r"|nós|vós|só|pó|história|memória|vitória|glória|prova|provas|copo|topo|tropa|europa|nota|notas"
    r"|rota|bota|morre|corda|ordem|modo|modos|proposta|resposta|costa|gosta"
    r"|mostra|aposta|posta|rosa|famosa|poderosa|rodovia|idosa|código|lógico|próximo|método|episódio|rock|choque"
    r"|toque|toca|troca|época|porca|loca|pipoca|olha|colha)$"
)
_S_FOR_X = re.compile(r"^(?:próxim|máxim|trou[x]|auxíli|sintax|aproxim|maxim)")
_KS_FOR_X = re.compile(
    r"^(?:táxi|fix|reflex|sex[ou]|comple[x]|tóxi|anex|conex|ox[ií]|ma[x]$|léxic|flex|lux$|látex|tórax|box|mix)"
)
_NASAL_ENDING = re.compile(r"[mn](?![aeiouáàâãéêíóôõúüh])")
_VOICED = "bdgvlmnrzj"
_ACCENTS = str.maketrans("áàâãéêíóôõúü", "aaaaeeiooouu")


def phonemize(text: str) -> str:
    """Convert text to Kokoro's alphabet."""
    pieces = list(tokens(text.lower()))
    out: list[str] = []
    for index, piece in enumerate(pieces):
        if not is_word(piece):
            out.append(" " if piece == "-" else piece)
            continue
        following = pieces[index + 2 : index + 3] if pieces[index + 1 : index + 2] == [" "] else []
        sound = "".join(word_phonemes(part) for part in piece.split("'") if part)
        out.append(_join(sound, following[0] if following and is_word(following[0]) else ""))
    return fit("".join(out))


def _join(sound: str, following: str) -> str:
    """Adapt the end of a word to the next one: voiced s, tapped r, final vowels that glide."""
    start = following.lstrip("h")[:1]
    if not start:
        return sound
    if sound.endswith("s") and (start in VOWELS or start in _VOICED):
        return sound[:-1] + "z"
    if start in VOWELS:
        if sound.endswith("r"):
            return sound[:-1] + "ɾ"
        if sound.endswith(("ʧy", "ʤy")):
            return sound[:-1] + "j"
    return sound


def word_phonemes(word: str) -> str:
    """Convert one lower-case word to phonemes."""
    if word in _WHOLE:
        return _WHOLE[word]
    stress = None if word in _LEANING else stressed(word)
    nuclei = set(syllabic(word)) | ({stress} if stress is not None else set())
    out: list[str] = []
    position = 0
    while position < len(word):
        if word[position] in VOWELS:
            sound, used = _vowel(word, position, stress, nuclei)
        else:
            sound, used = _consonant(word, position)
        out.append(sound)
        position += used
    return "".join(out).replace("aʊ", "W")


_WHOLE = {
    "muito": "mwˈiŋtʊ",
    "muita": "mwˈiŋtæ",
    "muitos": "mwˈiŋtʊs",
    "muitas": "mwˈiŋtæs",
    "e": "i",
    "que": "ky",
    "à": "aː",
    "às": "aːs",
    "um": "ũŋ",
    "uns": "ũŋs",
    "com": "koŋ",
    "y": "i",
}


def _vowel(word: str, position: int, stress: int | None, nuclei: set[int]) -> tuple[str, int]:
    """Return the sound of a vowel with its glide and nasal, and the number of letters it spans."""
    letter = word[position]
    mark = "ˈ" if position == stress else ""
    following = word[position + 1 : position + 2]
    if letter in "ãõ":
        return _tilde(letter, following, mark)
    base = letter.translate(_ACCENTS)
    nasal = _NASAL_ENDING.match(word, position + 1)
    if nasal and position in nuclei:
        return mark + _nasal(base, word, position), 2
    if position not in nuclei:
        return ("w" if base == "u" else "j"), 1
    glide = following if following in ("i", "u") and position + 1 not in nuclei else ""
    if glide:
        return mark + _diphthong(letter, base, glide), 2
    return mark + _single(word, position, bool(mark), base), 1


def _tilde(letter: str, following: str, mark: str) -> tuple[str, int]:
    if letter == "ã":
        glides = {"o": "ɐ̃ʊ̃", "e": "ɐ̃y"}
        return mark + glides.get(following, "ɐ̃"), 2 if following in glides else 1
    return mark + ("õj" if following == "e" else "õ"), 2 if following == "e" else 1


def _nasal(base: str, word: str, position: int) -> str:
    end = position + 2 >= len(word)
    if base == "a":
        return (
            "ɐ̃ʊ̃" if end and word[position + 1] == "m" else "ɐ̃m" if _labial(word, position) else "ɐ̃ŋ"
        )
    sound = {"e": "A", "i": "i", "o": "o", "u": "ũ"}[base]
    return sound + ("m" if _labial(word, position) else "ŋ")


def _labial(word: str, position: int) -> bool:
    return word[position + 1] == "m" and word[position + 2 : position + 3] in ("p", "b")


def _diphthong(letter: str, base: str, glide: str) -> str:
    if base == "e" and letter == "é":
        return "ɛɪ" if glide == "i" else "ɛʊ"
    table = {
        ("a", "i"): "I", ("a", "u"): "W", ("e", "i"): "A", ("e", "u"): "eʊ", ("o", "i"): "oɪ",
        ("o", "u"): "ow", ("u", "i"): "uɪ", ("i", "u"): "iʊ", ("i", "i"): "i", ("u", "u"): "u",
    }  # fmt: skip
    sound = table[base, glide]
    return "ɔɪ" if letter == "ó" else sound


def _single(word: str, position: int, is_stressed: bool, base: str) -> str:
    letter = word[position]
    # The next letters only: the rest of a long word would be copied at each vowel.
    rest = word[position + 1 : position + 4]
    if is_stressed:
        if letter in "éó":
            return {"é": "ɛ", "ó": "ɔ"}[letter]
        if base == "a" and re.match(r"nh|[mn]", rest):
            return "ɐ̃"
        if letter == "e" and (_OPEN_E.search(word) or rest in ("l", "is")):
            return "ɛ"
        if letter == "o" and (_OPEN_O.search(word) or rest == "l"):
            return "ɔ"
        return base
    final = rest in ("", "s")
    if final and len(word) > 1 + len(rest):
        return {"a": "æ", "e": "y", "o": "ʊ"}.get(base, base)
    if final:
        return {"a": "a", "e": "i", "o": "ʊ"}.get(base, base)
    if base == "a" and re.match(r"nh|[mn]", rest):
        return "æ"
    if base in "iu" and rest[:1] and rest[0] in VOWELS and position:
        return {"i": "j", "u": "w"}[base]
    return base


def _consonant(word: str, position: int) -> tuple[str, int]:  # noqa: PLR0912
    """Return the sound of the consonant at `position` and the number of letters that it spans."""
    letter = word[position]
    following = word[position + 1 : position + 2]
    previous = word[position - 1 : position]
    third = word[position + 2 : position + 3]
    before_front = bool(following) and following in "eiéêí"
    match letter:
        case "h":
            return "", 1
        case "c":
            if following == "h":
                return "ʃ", 2
            return ("s" if before_front else "k"), (2 if following == "k" else 1)
        case "ç":
            return "s", 1
        case "g":
            if following == "u" and third and third in "eiéêí":
                return ("ɡw" if word.startswith("guiç", position) else "ɡ"), 2
            return ("ʒ" if before_front else "ɡ"), 1
        case "q":
            if following == "u" and third and third in "eiéêí" and not _spoken_u(word):
                return "k", 2
            return "k", 1
        case "l":
            if following == "h":
                return "lj", 2
            if following and following in VOWELS:
                return "l", 1
            return ("w" if previous == "u" else "ʊ"), 1
        case "n":
            return ("ɲ", 2) if following == "h" else ("n", 1)
        case "r":
            return _r(word, position)
        case "s":
            return _s(word, position)
        case "t" | "d":
            soft = following in ("i", "í") or _ends_in_weak_e(word, position)
            return ({"t": "ʧ", "d": "ʤ"} if soft else {"t": "t", "d": "d"})[letter], 1
        case "x":
            return _x(word, position), 1
        case "z":
            return ("s" if not following else "z"), 1
        case "j":
            return "ʒ", 1
        case "w":
            return "w", 1
        case "p" if following == "h":
            return "f", 2
    return {"y": "i", "k": "k"}.get(letter, letter), 1


def _spoken_u(word: str) -> bool:
    return bool(
        re.match(r"(?:cinquent|sequênc|frequ[eê]n|tranquil|eloqu|delinqu|consequ|equestr)", word)
    )


def _ends_in_weak_e(word: str, position: int) -> bool:
    """Check whether a t or d precedes the final unstressed e, which is pronounced i."""
    rest = word[position + 1 : position + 4]
    return rest in ("e", "es") and stressed(word) != position + 1


def _r(word: str, position: int) -> tuple[str, int]:
    following = word[position + 1 : position + 2]
    previous = word[position - 1 : position]
    if following == "r":
        return "x", 2
    if not previous or previous in "nls":
        return "x", 1
    if previous in VOWELS:
        if not following:
            return "r", 1
        return ("ɾ", 1) if following in VOWELS else ("ɾə", 1)
    return "r", 1


def _s(word: str, position: int) -> tuple[str, int]:
    following = word[position + 1 : position + 2]
    previous = word[position - 1 : position]
    if following == "s":
        return "s", 2
    if following == "h":
        return "ʃ", 2
    if following == "ç" or re.match("c[eiéêí]", word[position + 1 : position + 3]):
        return "s", 2
    between = bool(previous) and previous in VOWELS and bool(following) and following in VOWELS
    return ("z" if between or (following and following in _VOICED) else "s"), 1


def _x(word: str, position: int) -> str:
    following = word[position + 1 : position + 2]
    if _S_FOR_X.match(word):
        return "s"
    if _KS_FOR_X.match(word) or not following:
        return "ks"
    if position <= 3 and word[:position] in ("e", "he", "ine", "coe") and following in VOWELS + "h":
        return "z"
    return "ʃ" if following in VOWELS else "" if following == "c" else "s"
