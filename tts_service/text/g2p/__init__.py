"""Grapheme-to-phoneme conversion to the phonemes that Kokoro-82M was trained on.

Normalise the text first (`tts_service.text.normalize`): digits and symbols have no sound here.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from shared.core.errors import InvalidRequest, NotReady
from tts_service.text.g2p import espeak, piper
from tts_service.text.g2p.languages import (
    chinese,
    english,
    french,
    italian,
    japanese,
    portuguese,
)

_OWN: dict[str, tuple[tuple[str, ...], Callable[[str], str]]] = {
    "en": (english.requires, english.phonemize),
    "en-gb": (english.requires, lambda text: english.phonemize(text, british=True)),
    "es": (piper.requires, lambda text: piper.phonemize(text, "es")),
    "fr": (french.requires, french.phonemize),
    "it": ((), italian.phonemize),
    "ja": (japanese.requires, japanese.phonemize),
    "pt": ((), portuguese.phonemize),
    "zh": (chinese.requires, chinese.phonemize),
}
_EXTRAS = {"ja": "ja"}
"""The pyproject extra that installs a language's package; `kokoro` where none is given."""
_ESPEAK = ("hi",)
"""Languages that are supported only through espeak-ng."""


def available_languages() -> tuple[str, ...]:
    """Return the languages whose grapheme-to-phoneme packages are installed, sorted."""
    own = {name for name, (modules, _) in _OWN.items() if not _missing(modules)}
    return tuple(sorted(own | (set(_ESPEAK) if espeak.available() else set())))


def phonemize(text: str, language: str) -> str:
    """Convert text to Kokoro's phoneme symbols, with punctuation and stress marks.

    Args:
        text: normalised text; line breaks count as spaces.
        language: a tag such as `es`, `pt-br`, `en-gb`; a region without its own rules uses those of
            its language.

    Returns:
        Phonemes; empty where the text has nothing that can be spoken.

    Raises:
        InvalidRequest: the language has no rules.
        NotReady: the language's package or program is not installed.
    """
    name = _resolve(language)
    if name in _ESPEAK:
        return espeak.phonemize(text, name)
    modules, function = _OWN[name]
    if missing := _missing(modules):
        extra = _EXTRAS.get(name, "kokoro")
        raise NotReady(
            f"'{name}' needs {', '.join(missing)}: pip install -e '.[{extra}]'",
            code="g2p_not_installed",
        )
    return function(text)


def _resolve(language: str) -> str:
    tag = language.lower().replace("_", "-")
    for name in (tag, tag.split("-")[0]):
        if name in _OWN or name in _ESPEAK:
            return name
    raise InvalidRequest(
        f"no pronunciation rules for language '{language}'",
        param="language",
        code="unsupported_language",
        details={"available": list(available_languages())},
    )


def _missing(modules: tuple[str, ...]) -> list[str]:
    return [module for module in modules if find_spec(module) is None]
