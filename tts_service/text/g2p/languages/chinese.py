"""Mandarin grapheme-to-phoneme: pypinyin (MIT) for readings and tone sandhi, then a pinyin table.

Kokoro's alphabet writes tones as arrows, as misaki does: `→` first, `↗` second, `↓` third, `↘`
fourth; the neutral tone has no mark. The syllable table follows the IPA of D. Lin, "The Sounds of
Chinese", ch. 2-6.
"""

from __future__ import annotations

import re

from tts_service.text.g2p.languages import english
from tts_service.text.g2p.tokens import plain_punctuation
from tts_service.text.g2p.vocabulary import SYMBOLS, fit

requires = ("pypinyin",)
"""Modules that must be installed."""

_INITIALS = {
    "zh": "ꭧ", "ch": "ꭧʰ", "sh": "ʂ", "b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ",
    "n": "n", "l": "l", "g": "k", "k": "kʰ", "h": "x", "j": "ʨ", "q": "ʨʰ", "x": "ɕ", "r": "ɻ",
    "z": "ʦ", "c": "ʦʰ", "s": "s",
}  # fmt: skip
_FINALS = {
    "a": "a", "o": "wo", "e": "ɤ", "i": "i", "u": "u", "v": "y", "ai": "aɪ", "ei": "eɪ", "ao": "aʊ",
    "ou": "oʊ", "an": "an", "en": "ən", "ang": "aŋ", "eng": "əŋ", "ong": "ʊŋ", "er": "ɚ",
    "ia": "ja",
    "ie": "je", "iao": "jaʊ", "iu": "joʊ", "ian": "jɛn", "in": "in", "iang": "jaŋ", "ing": "iŋ",
    "iong": "jʊŋ", "ua": "wa", "uo": "wo", "uai": "waɪ", "ui": "weɪ", "uan": "wan", "un": "wən",
    "uang": "waŋ", "ueng": "wəŋ", "ve": "ɥe", "van": "ɥɛn", "vn": "yn", "ue": "ɥe", "io": "jo",
}  # fmt: skip
_TONES = {"1": "→", "2": "↗", "3": "↓", "4": "↘"}
_HAN = re.compile(r"[\u3400-\u9fff]+|[^\u3400-\u9fff]+")
_LATIN = re.compile(r"[A-Za-z][A-Za-z' ]*[A-Za-z]|[A-Za-z]")
_NUMBER = re.compile(r"(\d{1,16})(?:\.(\d+))?(%?)|\d+")
_YEAR = re.compile(r"\d{4}(?=年)")
_DIGITS = "零一二三四五六七八九"


def phonemize(text: str) -> str:
    """Convert text to Kokoro's alphabet; embedded English words are pronounced as English."""
    spoken = _NUMBER.sub(_number, _YEAR.sub(lambda m: _each(m[0]), plain_punctuation(text)))
    return fit("".join(_run(piece) for piece in _HAN.findall(spoken)))


def _run(piece: str) -> str:
    if "\u3400" <= piece[0] <= "\u9fff":
        return " ".join(_word(word) for word in _words(piece))
    embedded = _LATIN.sub(lambda m: f" {english.phonemize(m[0])} ", piece)
    # Marks need a following space, which full-width ones do not have.
    return re.sub(r"([,.;:!?])(?=\S|$)", r"\1 ", "".join(c for c in embedded if c in SYMBOLS))


def _words(piece: str) -> list[str]:
    from pypinyin.seg import mmseg  # noqa: PLC0415 - a model library, loaded when first needed

    return list(mmseg.seg.cut(piece))


def _word(word: str) -> str:
    from pypinyin import Style, lazy_pinyin  # noqa: PLC0415

    read = lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True, tone_sandhi=True)
    return "".join(syllable(each) for each in read)


def syllable(pinyin: str) -> str:
    """Convert one syllable such as `zhong1`; return the empty string for invalid pinyin."""
    found = re.fullmatch(r"([a-züêv]+)([1-5])", pinyin)
    if found is None:
        return ""
    letters, tone = found[1].replace("ü", "v"), _TONES.get(found[2], "")
    initial = next((name for name in _INITIALS if letters.startswith(name)), "")
    final = _final(initial, letters[len(initial) :])
    return f"{_INITIALS.get(initial, '')}{final}{tone}"


def _final(initial: str, letters: str) -> str:
    if letters == "i" and initial in ("zh", "ch", "sh", "r", "z", "c", "s"):
        return "ɨ"
    if not initial:  # y and w are spelling only
        if letters.startswith("yu"):
            letters = "v" + letters[2:]
        elif letters.startswith("y"):
            letters = letters[1:] if letters[1:2] == "i" else "i" + letters[1:]
        elif letters.startswith("w"):
            letters = letters[1:] if letters[1:2] == "u" else "u" + letters[1:]
        letters = {"iou": "iu", "uei": "ui", "uen": "un"}.get(letters, letters)
    elif initial in "jqx" and letters.startswith("u"):
        letters = "v" + letters[1:]
    return _FINALS.get(letters, "")


def _each(digits: str) -> str:
    return "".join(_DIGITS[int(digit)] for digit in digits)


def _number(found: re.Match[str]) -> str:
    if not found[1] or (len(found[1]) > 1 and found[1][0] == "0"):
        return _each(re.sub(r"\D", "", found[0]))
    spoken = number_words(int(found[1]))
    if found[2]:
        spoken += f"点{_each(found[2])}"
    return f"百分之{spoken}" if found[3] else spoken


def number_words(value: int) -> str:
    """Write a number below 10^16 in Chinese characters, which num2words does not support."""
    if not value:
        return _DIGITS[0]
    groups: list[str] = []
    for index, unit in enumerate(("", "万", "亿", "万亿")):
        part = value // 10_000**index % 10_000
        rest = value // 10_000 ** (index + 1)
        if part:
            zero = _DIGITS[0] if rest and part < 1000 else ""
            groups.append(zero + _thousands(part) + unit)
    spoken = "".join(reversed(groups))
    return spoken[1:] if spoken.startswith("一十") else spoken


def _thousands(value: int) -> str:
    out, gap = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = value // unit % 10
        if digit:
            out += (_DIGITS[0] if gap and out else "") + _DIGITS[digit] + name
            gap = False
        else:
            gap = True
    return out
