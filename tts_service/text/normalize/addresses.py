"""Read e-mail and web addresses, handles and hashtags aloud."""

from __future__ import annotations

import re

from tts_service.text.normalize.letters import spell
from tts_service.text.normalize.locales import Language

_SIGNS: dict[str, dict[str, str]] = {
    "en": {"@": "at", ".": "dot", "/": "slash", "-": "dash", "_": "underscore", ":": "colon",
           "?": "question mark", "=": "equals", "&": "and", "#": "hash", "+": "plus",
           "%": "percent"},
    "es": {"@": "arroba", ".": "punto", "/": "barra", "-": "guion", "_": "guion bajo",
           ":": "dos puntos", "?": "interrogación", "=": "igual", "&": "y", "#": "almohadilla",
           "+": "más", "%": "por ciento"},
    "fr": {"@": "arobase", ".": "point", "/": "slash", "-": "tiret", "_": "tiret bas",
           ":": "deux points", "?": "point d'interrogation", "=": "égal", "&": "et",
           "#": "dièse", "+": "plus", "%": "pour cent"},
    "it": {"@": "chiocciola", ".": "punto", "/": "barra", "-": "trattino", "_": "trattino basso",
           ":": "due punti", "?": "punto di domanda", "=": "uguale", "&": "e", "#": "cancelletto",
           "+": "più", "%": "per cento"},
    "pt": {"@": "arroba", ".": "ponto", "/": "barra", "-": "hífen", "_": "underline",
           ":": "dois pontos", "?": "interrogação", "=": "igual", "&": "e", "#": "cerquilha",
           "+": "mais", "%": "por cento"},
}  # fmt: skip
_HASHTAG = {"en": "hashtag", "es": "hashtag", "fr": "hashtag", "it": "hashtag", "pt": "hashtag"}
_WORDS_AS_ENDINGS = {"en": "io me tv", "es": "es", "fr": "", "it": "it", "pt": ""}
"""Country-code domains that a language reads as a word; others are spelled."""

_TOP = (
    "com|org|net|edu|gov|gob|info|dev|app|io|ai|co|me|tv|eu|uk|us|ca|au|ie|nz|es|mx|ar|cl|pe|uy"
    "|br|pt|fr|be|ch|it|de|nl|at|jp|cn|in|xyz|online|site|shop|blog|cloud|tech|museum"
)
# A name before the @ has at most 64 characters (RFC 5321); the bound keeps long runs cheap.
_EMAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9][\w.+%-]{0,63}+@[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]+)+")
_URL = re.compile(
    rf"(?<![\w@.])(?:https?://|www\.)[^\s<>\"']+"
    rf"|(?<![\w@.-])(?:[A-Za-z0-9-]+\.)+(?:{_TOP})(?![\w-]|\.\w)(?:/[^\s<>\"']*)?"
)
_HANDLE = re.compile(r"(?<![\w@])([@#])([^\W\d]\w*)")
_COUNTRY = re.compile(r"^[^/]*\.([A-Za-z]{2})(?=/|$)")
_PART = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")
_CAMEL = re.compile(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Ý])")
_TRAILING = ".,;:!?)]}»”…"
_VOWEL = re.compile(r"[aeiouyà-ÿ]", re.IGNORECASE)


def addresses(text: str, language: Language) -> str:
    """Expand e-mail addresses, URLs (without scheme and `www`), `@handles` and `#hashtags`."""
    text = _EMAIL.sub(lambda found: _read(found.group(), language), text)
    text = _URL.sub(lambda found: _read(found.group(), language), text)
    return _HANDLE.sub(lambda found: _handle(found, language), text)


def _handle(found: re.Match[str], language: Language) -> str:
    sign = _HASHTAG[language.code] if found[1] == "#" else _SIGNS[language.code]["@"]
    words = _CAMEL.sub(" ", found[2]).replace("_", f" {_SIGNS[language.code]['_']} ")
    return f"{sign} {words}"


def _read(address: str, language: Language) -> str:
    body = address.rstrip(_TRAILING)
    end = address[len(body) :]
    body = re.sub(r"^(?:https?://)?(?:www\.)?", "", body).rstrip("/")
    signs = _SIGNS[language.code]
    country = _COUNTRY.search(body)
    spelled = country[1] if country else ""
    if spelled.lower() in _WORDS_AS_ENDINGS[language.code].split():
        spelled = ""
    spoken = [
        signs.get(part, "")
        if not part[0].isalnum()
        else spell(part, language)
        if part == spelled
        else _piece(part, language)
        for part in _PART.findall(_CAMEL.sub(" ", body))
    ]
    return " ".join(word for word in spoken if word) + end


def _piece(part: str, language: Language) -> str:
    if part.isdigit() or part.lower() in ("com", "org", "net"):
        return part
    if not _VOWEL.search(part) or len(part) == 1:
        return spell(part, language)
    return part.lower() if part.isupper() else part
