"""Convert language tags in requests to the tags that engines declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from shared.core.errors import InvalidRequest

_SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "pt": "pt-br",
        "zh-cn": "zh",
        "zh-hans": "zh",
        "cmn": "zh",
        "en-uk": "en-gb",
        "jp": "ja",
    }
)
"""Equivalent tags; ``pt`` means Brazilian Portuguese, like all Portuguese voices here."""


def canonical(tag: str) -> str:
    """Return ``tag`` in the engines' form: lower case, hyphens, one tag per language.

    ``PT`` → ``pt-br``, ``zh_CN`` → ``zh``, ``es-MX`` → ``es-mx`` (see :func:`resolve`).
    """
    cleaned = tag.strip().lower().replace("_", "-")
    return _SYNONYMS.get(cleaned, cleaned)


def base(tag: str) -> str:
    """Return the language of ``tag`` without its region: ``en-gb`` → ``en``."""
    return canonical(tag).split("-", 1)[0]


def resolve(tag: str, spoken: Iterable[str]) -> list[str]:
    """Return the ``spoken`` tags that match a requested ``tag``, best first.

    An exact match is returned alone. A language without region matches all its regions. An
    unsupported region matches the language's other regions (``es-mx`` → ``es``).

    Raises:
        InvalidRequest: no tag matches; ``details["available"]`` lists the spoken ones.
    """
    wanted = canonical(tag)
    known = list(dict.fromkeys(spoken))
    if wanted in known:
        return [wanted]
    near = [candidate for candidate in known if base(candidate) == base(wanted)]
    if near:
        return near
    raise InvalidRequest(
        f"no engine here speaks the language '{tag[:16]}'",
        param="language",
        code="unknown_language",
        details={"available": sorted(known)},
    )
