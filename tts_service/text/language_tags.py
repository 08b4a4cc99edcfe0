"""Language tags: what people write → the tags that engines declare."""

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
"""Tags that mean the same speech here; ``pt`` is Brazilian, like all our Portuguese voices."""


def canonical(tag: str) -> str:
    """``tag`` in the form that engines declare: lower case, hyphens, one tag per language.

    ``PT`` → ``pt-br``, ``zh_CN`` → ``zh``, ``es-MX`` → ``es-mx`` (see :func:`matches`).
    """
    cleaned = tag.strip().lower().replace("_", "-")
    return _SYNONYMS.get(cleaned, cleaned)


def base(tag: str) -> str:
    """The language of ``tag`` without its region: ``en-gb`` → ``en``."""
    return canonical(tag).split("-", 1)[0]


def resolve(tag: str, spoken: Iterable[str]) -> list[str]:
    """Which of the ``spoken`` tags answer a request for ``tag``, best first.

    An exact tag wins alone; a bare language takes each of its regions; a region nobody speaks
    takes the language's other regions (``es-mx`` → ``es``).

    Raises:
        InvalidRequest: none does; ``details["available"]`` lists what is spoken.
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
