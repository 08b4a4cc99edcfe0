"""LaTeX formulas in words, in the language of the reply.

School mathematics only: what a short spoken answer holds. What is not known is left as its name,
so that ``\\alpha`` is said "alpha".
"""

from __future__ import annotations

import re

DISPLAY = re.compile(r"\$\$(.+?)\$\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
INLINE = re.compile(r"(?<![\\$])\$(?![\s$])([^$\n]{1,160}?)(?<![\s\\])\$(?![\d$])")
"""Between single dollars; :func:`spoken_formulas` looks whether it is not about money."""
_OPENING = re.compile(r"\$\$|\\\(|\\\[")
_LONGEST = 400
_NOT_MONEY = re.compile(r"[\\^_={}]|^[A-Za-z]$")

# Order of the words in each tuple.
_NAMES = (
    "squared", "cubed", "power", "over", "times", "plus", "minus", "equals", "less", "greater",
    "at_most", "at_least", "unequal", "about", "plus_minus", "divided", "root", "infinity",
)  # fmt: skip
_WORDS = {
    "en": (
        "squared", "cubed", "to the power of", "over", "times", "plus", "minus", "equals",
        "is less than", "is greater than", "is at most", "is at least", "is not equal to",
        "is about", "plus or minus", "divided by", "the square root of", "infinity",
    ),
    "es": (
        "al cuadrado", "al cubo", "elevado a", "sobre", "por", "más", "menos", "es igual a",
        "es menor que", "es mayor que", "es menor o igual que", "es mayor o igual que",
        "es distinto de", "es aproximadamente", "más o menos", "dividido entre",
        "la raíz cuadrada de", "infinito",
    ),
    "pt": (
        "ao quadrado", "ao cubo", "elevado a", "sobre", "vezes", "mais", "menos", "é igual a",
        "é menor que", "é maior que", "é menor ou igual a", "é maior ou igual a",
        "é diferente de", "é aproximadamente", "mais ou menos", "dividido por",
        "a raiz quadrada de", "infinito",
    ),
    "fr": (
        "au carré", "au cube", "puissance", "sur", "fois", "plus", "moins", "égale",
        "est inférieur à", "est supérieur à", "est inférieur ou égal à",
        "est supérieur ou égal à", "est différent de", "vaut environ", "plus ou moins",
        "divisé par", "la racine carrée de", "l'infini",
    ),
    "it": (
        "al quadrato", "al cubo", "elevato a", "fratto", "per", "più", "meno", "è uguale a",
        "è minore di", "è maggiore di", "è minore o uguale a", "è maggiore o uguale a",
        "è diverso da", "è circa", "più o meno", "diviso per", "la radice quadrata di",
        "infinito",
    ),
    "de": (
        "Quadrat", "hoch drei", "hoch", "durch", "mal", "plus", "minus", "gleich",
        "ist kleiner als", "ist größer als", "ist höchstens", "ist mindestens",
        "ist ungleich", "ist etwa", "plus minus", "geteilt durch", "die Wurzel aus",
        "unendlich",
    ),
}  # fmt: skip
_COMMANDS = {
    "times": "times", "cdot": "times", "div": "divided", "leq": "at_most", "le": "at_most",
    "geq": "at_least", "ge": "at_least", "neq": "unequal", "ne": "unequal", "approx": "about",
    "pm": "plus_minus", "sqrt": "root", "infty": "infinity",
}  # fmt: skip
_SIGNS = {"+": "plus", "-": "minus", "=": "equals", "<": "less", ">": "greater", "/": "over"}
_SILENT = {"left", "right", "text", "mathrm", "mathbf", "quad", "displaystyle", "begin", "end"}
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_POWER = re.compile(r"\^\s*(?:\{([^{}]*)\}|(\S))")
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_SIGN = re.compile(r"[-+=<>/]")
_REST = re.compile(r"\\[,;:! ]|[\\{}_&^]")


def spoken_formulas(text: str, language: str) -> str:
    """``text`` with its formulas in words; amounts in dollars stay as they are."""
    text = DISPLAY.sub(lambda m: spoken(next(g for g in m.groups() if g), language), text)
    return INLINE.sub(
        lambda m: spoken(m.group(1), language) if _NOT_MONEY.search(m.group(1)) else m.group(),
        text,
    )


def spoken(source: str, language: str) -> str:
    """A formula, without its delimiters, in words; an unknown language gets English ones."""
    words = dict(
        zip(_NAMES, _WORDS.get(language.lower().split("-", 1)[0], _WORDS["en"]), strict=True)
    )

    def power(match: re.Match[str]) -> str:
        exponent = (match.group(1) or match.group(2) or "").strip()
        known = {"2": "squared", "3": "cubed"}.get(exponent)
        return f" {words[known]} " if known else f" {words['power']} {exponent} "

    def command(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in _SILENT:
            return " "
        return f" {words[_COMMANDS[name]] if name in _COMMANDS else name} "

    said, before = source, ""
    while said != before:  # fractions within fractions
        before = said
        said = _FRACTION.sub(rf" \1 {words['over']} \2 ", said)
    said = _COMMAND.sub(command, _POWER.sub(power, said))
    said = _SIGN.sub(lambda m: f" {words[_SIGNS[m.group()]]} ", said)
    return " ".join(_REST.sub(" ", said).split())


def open_formula(text: str) -> int:
    """Characters at the end of ``text`` that begin a formula which is not complete yet."""
    complete = max((match.end() for match in DISPLAY.finditer(text)), default=0)
    opening = _OPENING.search(text, complete)
    if opening is not None:
        length = len(text) - opening.start()
        # Beyond that it is no formula: speech waits no longer.
        return length if length <= _LONGEST else 0
    return 1 if text[complete:].endswith(("\\", "$")) else 0
