"""Names of letters, for spelling words aloud."""

from __future__ import annotations

import unicodedata

from tts_service.text.normalize.locales import Language

_NAMES = {
    "es": "a be ce de e efe ge hache i jota ka ele eme ene o pe cu erre ese te u uve "
    "uve_doble equis ye zeta",
    "fr": "a bé cé dé e effe gé hache i ji ka elle emme enne o pé cu erre esse té u vé "
    "double_vé ixe i_grec zède",
    "it": "a bi ci di e effe gi acca i i_lunga cappa elle emme enne o pi cu erre esse ti u vu "
    "doppia_vu ics ipsilon zeta",
    "pt": "á bê cê dê é éfe gê agá i jota cá éle ême ene ó pê quê érre ésse tê u vê "
    "dáblio xis ípsilon zê",
}
_TABLE = {
    code: dict(zip("abcdefghijklmnopqrstuvwxyz", names.replace("_", "\0").split(), strict=True))
    for code, names in _NAMES.items()
}


def spell(word: str, language: Language) -> str:
    """Return the names of the letters of `word`; in English, capitals, which its G2P spells.

    Accents are ignored, non-Latin characters are dropped and digits are kept.
    """
    plain = unicodedata.normalize("NFD", word)
    letters = [each for each in plain if each.isascii() and each.isalnum()]
    names = _TABLE.get(language.code, {})
    if not names:
        return " ".join(letter.upper() for letter in letters)
    return " ".join(names.get(letter.lower(), letter).replace("\0", " ") for letter in letters)
