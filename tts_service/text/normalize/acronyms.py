"""Spell acronyms letter by letter, unless they are pronounced as words."""

from __future__ import annotations

import re

from tts_service.text.normalize.letters import spell
from tts_service.text.normalize.locales import Language
from tts_service.text.word_set import word_set

_SAID = word_set(
    "NASA NATO OTAN UNESCO UNICEF FIFA UEFA OPEC OPEP COVID RADAR LASER SONAR SIM PIN GIF "
    "RAM ROM NAFTA OVNI ASCII JPEG FNAC IKEA FIAT INTERPOL EUROPOL UNIX CAPTCHA WIFI SEAT "
    "LEGO VISA PETA MERCOSUR MERCOSUL ENEM IBAMA FUNAI RENFE INSEE PACS SAMU SMIC ISTAT "
    "INPS IRPEF"
)
"""Acronyms that are pronounced as words in all five languages where they are known."""
_SAID_IN = {
    "en": frozenset({"AIDS", "DARE"}),
    "es": frozenset(["ONU", "SIDA", "IVA", "PIB", "AVE", "LED"]),
    "fr": frozenset({"SIDA", "ENA", "FAO"}),
    "it": frozenset({"ONU", "IVA", "RAI", "PIL", "AIDS", "USA", "LED", "FAO"}),
    "pt": frozenset({"ONU", "AIDS", "PIB", "SUS", "LED"}),
}
_FIXED = {"en": {"OK": "okay", "PhD": "P H D"}, "es": {"OK": "okey"}, "fr": {"OK": "okay"},
          "it": {"OK": "okay"}, "pt": {"OK": "okay"}}  # fmt: skip
_CAPITALS = re.compile(
    r"(?<![\w'’])([A-ZÀ-Ý]{2,6}|(?:[A-ZÀ-Ý]\.){2,6})(s)?"
    r"(?![a-zà-ÿ]|['’](?!s\b)[a-zà-ÿ])"
)
_VOWELS = re.compile(r"[AEIOUYÀ-Ý]")
_SHOUTED = re.compile(r"(?<![A-ZÀ-Ý])[A-ZÀ-Ý]{2,}+ +[A-ZÀ-Ý]{2,}+ +[A-ZÀ-Ý]{2}")
_SENTENCE_END = re.compile(r"\s*+\Z|\s+[A-ZÀ-Ý]")
_CLUSTER = re.compile(
    r"[^AEIOUYÀ-Ý]{3}|[^AEIOUYÀ-ÝNSLRTXMDKZ]$"
    r"|^[^AEIOUYÀ-Ý]{2}(?<!BR|CR|DR|FR|GR|PR|TR|BL|CL|FL|GL|PL|CH|SH|ST)"
)
"""Letter sequences that do not occur in pronounceable words."""


def acronyms(text: str, language: Language) -> str:
    """Spell FBI, USB, S.O.S.; keep NASA and text in capitals as words (in lower case)."""
    shouted = bool(_SHOUTED.search(text))
    return _CAPITALS.sub(lambda found: _spoken(found, language, shouted), text)


def _spoken(found: re.Match[str], language: Language, shouted: bool) -> str:
    word = found[1]
    code = language.code
    dotted = "." in word
    plain = word.replace(".", "")
    if (fixed := _FIXED[code].get(plain)) and not dotted:
        return fixed
    if not dotted and _is_said(plain, code, shouted):
        return (
            found.group() if plain in _SAID | _SAID_IN[code] else plain.lower() + (found[2] or "")
        )
    # The last dot of S.O.S. may also end the sentence.
    text, end = found.string, found.end()
    stop = "." if dotted and _SENTENCE_END.match(text, end) else ""
    plural = "'s" if found[2] and code == "en" else ""
    spoken = spell(plain, language) + plural
    return spoken + stop + (" " if text[end : end + 1].isdigit() else "")


def _is_said(word: str, code: str, shouted: bool) -> bool:
    if word in _SAID or word in _SAID_IN[code]:
        return True
    if not _VOWELS.search(word):
        return False
    # Pronounceable acronyms of five letters or more are read as words; short ones are spelled.
    return shouted or (len(word) >= 5 and not _CLUSTER.search(word))
