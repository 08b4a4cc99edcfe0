"""Convert model output to speakable text without markup, code, emoji or long addresses.

Speech synthesis normalises numbers, dates and abbreviations itself.
"""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlsplit

from shared.text.marks import without_stacks
from voice_agent.paired_marks import FORMULA_OPENS, formulas, without_emphasis

_OPENING = re.compile(r"```|~~~|<think(?:ing)?>", re.IGNORECASE)
_FENCE = re.compile(r"```|~~~")
_CODE_SAID = {
    "en": "(code left out)",
    "es": "(código omitido)",
    "pt": "(código omitido)",
    "fr": "(code omis)",
    "it": "(codice omesso)",
    "de": "(Code ausgelassen)",
}
_THINK = re.compile(r"<(think|thinking)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE)
# A label has no bracket inside, so that each is read once.
_IMAGE = re.compile(r"!\[([^\[\]]*)\]\((?:[^()]++|\([^()]*\))*+\)")
_LINK = re.compile(r"\[([^\[\]]+)\]\((?:[^()]++|\([^()]*\))*+\)")
_FOOTNOTE = re.compile(r"\[\^[^\]\s]{1,20}\]:?")
_URL = re.compile(r"\b(?:https?://|www\.)[^\s<>\"')\]]+", re.IGNORECASE)
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s*", re.MULTILINE)
_QUOTE = re.compile(r"^\s{0,3}>\s?", re.MULTILINE)
# These two match white space without a mark too, so that empty lines are read once.
_BULLET = re.compile(r"^\s*+((?:[-*+•]|\d{1,2}[.)])\s+(?:\[[ xX]\]\s+)?)?", re.MULTILINE)
_RULE = re.compile(r"^\s*+((?:[-*_=]\s*){3,}$)?", re.MULTILINE)
_TABLE_RULE = re.compile(r"^[\s:|-]{3,}$", re.MULTILINE)
_TABLE_ROW = re.compile(r"^[ \t]*+\|(.*)$", re.MULTILINE)
_UNDERSCORE = re.compile(r"(?<!\w)_(?=\S)([^_\n]+?)(?<=\S)_(?!\w)")
_INLINE_CODE = re.compile(r"`([^`\n]*)`")
_BREAK = re.compile(r"</?(?:br|p|li|ul|ol|div|tr|h[1-6])\b[^<>]{0,80}>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,80}>")
_ARROW = re.compile(r"(?:(?<!\s)\s+)?[\u2190-\u21ff\u27f5-\u27ff]+\s*")
_DOLLARS = re.compile(r"(?<![\\$])\$(?![\s$])([^$\n]{1,160}?)(?<![\s\\])\$(?![\d$])")
"""Text between single dollar signs: a formula, or text between two prices."""
_NO_PRICE = re.compile(r"[\\^_={}]|^[A-Za-z]$")
_LONGEST_FORMULA = 400
_FORMULA_SAID = {
    "en": "a formula", "es": "una fórmula", "pt": "uma fórmula", "fr": "une formule",
    "it": "una formula", "de": "eine Formel",
}  # fmt: skip
_ESCAPED = re.compile(r"\\([^A-Za-z0-9\s])")
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\U00002600-\U000027bf\U00002b00-\U00002bff\U0000fe0f\U0000200d"
    "\U000020e3\U000e0020-\U000e007f]+"
)
_SPACES = re.compile(r"[ \t\u00a0]{2,}")
# The bound keeps long rows cheap, since each underscore in one may begin a match.
_LEFTOVER = re.compile(r"(?<!\S)[*_`~]{1,40}(?=\w)|(?<=[\w.,;:!?])[*_`~]{1,40}(?!\S)")
_HUGE_REFERENCE = re.compile(r"&#[0-9]{11,};?")
"""A character reference beyond Unicode, for which `unescape` would convert any number of digits."""
_SITE_END = ".,;:!?"


def speakable(text: str, language: str = "en") -> str:
    """Remove markup and other screen-only content; the result may be empty."""
    text = _THINK.sub(" ", without_stacks(text))
    text = _without_fences(text, language)
    text = _without_formulas(text, language)
    text = _LINK.sub(r"\1", _IMAGE.sub(r"\1", _FOOTNOTE.sub("", text)))
    text = _URL.sub(_site, text)
    text = _TABLE_RULE.sub("", _RULE.sub(_unless_marked, text))
    text = _BULLET.sub(_unless_marked, _QUOTE.sub("", _HEADING.sub("", text)))
    text = _INLINE_CODE.sub(r"\1", text)
    for _ in range(3):  # bold inside italics inside strike-through
        text = without_emphasis(text)
    text = _UNDERSCORE.sub(r"\1", text)
    text = _HUGE_REFERENCE.sub("\ufffd", _TAG.sub("", _BREAK.sub(" ", text)))
    text = unescape(text)
    text = _TABLE_ROW.sub(_row, text).replace("|", ", ")
    text = _ARROW.sub(", ", _EMOJI.sub("", text))
    text = _ESCAPED.sub(r"\1", _LEFTOVER.sub("", text))
    return _SPACES.sub(" ", text).strip().removeprefix(",").lstrip()


class SpeakableStream:
    """A stream filter that removes code fences and ``<think>`` parts.

    It holds back incomplete marks and links. The output can be split into clauses, each of which is
    then passed through :func:`speakable`.
    """

    def __init__(self, language: str = "en") -> None:
        self._language = language
        self._held = ""
        self._until: re.Pattern[str] | None = None

    def feed(self, piece: str) -> str:
        """Add text and return the part that can be spoken now, possibly empty."""
        text, at = self._held + piece, 0
        out = ""
        while True:
            if self._until is not None:
                closing = self._until.search(text, at)
                if closing is None:
                    # Keep enough to recognise a closing mark that arrives in pieces.
                    self._held = text[max(at, len(text) - 12) :]
                    return out
                at = closing.end()
                self._until = None
            opening = _OPENING.search(text, at)
            if opening is None:
                break
            out += text[at : opening.start()]
            mark = opening.group().lower()
            at = opening.end()
            if mark.startswith("<"):
                self._until = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
            else:
                out += f" {code_said(self._language)} "
                self._until = re.compile(re.escape(mark))
        held = len(text) - _open_tail(text[at:])
        self._held = text[held:]
        return out + text[at:held]

    def flush(self) -> str:
        """Return the remaining text at the end of the reply."""
        rest = "" if self._until is not None else self._held
        self._held, self._until = "", None
        return rest


def code_said(language: str) -> str:
    """Return the spoken replacement for a code block."""
    return _CODE_SAID.get(language.lower().split("-", 1)[0], _CODE_SAID["en"])


def _open_tail(text: str) -> int:
    """Return how many characters at the end may begin a mark or an unfinished link."""
    marks = re.search(r"(?:`{1,2}|~{1,2}|<[a-z]{0,8})\Z", text, re.IGNORECASE)
    link = re.search(r"!?\[[^\[\]\n]{0,200}(?:\](?:\([^)\n]{0,300})?)?\Z", text)
    return max(
        len(marks.group()) if marks else 0,
        len(link.group()) if link else 0,
        _open_formula(text),
    )


def _without_formulas(text: str, language: str) -> str:
    """Replace each LaTeX formula by a fixed phrase; the prompt asks models to avoid formulas.

    Amounts in dollars are kept.
    """
    said = _FORMULA_SAID.get(language.lower().split("-", 1)[0], _FORMULA_SAID["en"])
    parts: list[str] = []
    copied = 0
    for start, end in formulas(text):
        parts += text[copied:start], said
        copied = end
    text = "".join([*parts, text[copied:]])
    return _DOLLARS.sub(lambda m: said if _NO_PRICE.search(m.group(1)) else m.group(), text)


def _open_formula(text: str) -> int:
    """Return how many characters at the end of ``text`` begin an incomplete formula."""
    complete = max((end for _, end in formulas(text)), default=0)
    opening = FORMULA_OPENS.search(text, complete)
    if opening is not None:
        length = len(text) - opening.start()
        # A longer text is not a formula and is no longer held back.
        return length if length <= _LONGEST_FORMULA else 0
    return 1 if text[complete:].endswith(("\\", "$")) else 0


def _without_fences(text: str, language: str) -> str:
    parts = _FENCE.split(text)
    # Odd parts are inside a fence; an unclosed one extends to the end.
    return f" {code_said(language)} ".join(parts[::2]) if len(parts) > 1 else text


def _unless_marked(match: re.Match[str]) -> str:
    """Remove the match if it has a mark; keep mere white space."""
    return "" if match[1] else match.group()


def _row(match: re.Match[str]) -> str:
    return ", ".join(cell.strip() for cell in match.group(1).split("|") if cell.strip())


def _site(match: re.Match[str]) -> str:
    address = match.group()
    try:
        host = urlsplit(address if "//" in address else f"//{address}").hostname or ""
    except ValueError:  # a broken IPv6 address
        host = ""
    host = host.removeprefix("www.")
    return host.rstrip(".") + address[len(address.rstrip(_SITE_END)) :]
