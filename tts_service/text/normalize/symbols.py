"""Spell out or drop signs and symbols."""

from __future__ import annotations

import re

from tts_service.text.normalize.locales import Language

_MATH = {
    "en": {"+": "plus", "-": "minus", "×": "times", "*": "times", "÷": "divided by", "=": "equals",
           "<": "is less than", ">": "is greater than", "≤": "is at most", "≥": "is at least",
           "≠": "is not equal to", "≈": "is about", "±": "plus or minus", "√": "square root of",
           "∞": "infinity", "^": "to the power of"},
    "es": {"+": "más", "-": "menos", "×": "por", "*": "por", "÷": "entre", "=": "igual a",
           "<": "menor que", ">": "mayor que", "≤": "menor o igual que", "≥": "mayor o igual que",
           "≠": "distinto de", "≈": "aproximadamente", "±": "más menos", "√": "raíz cuadrada de",
           "∞": "infinito", "^": "elevado a"},
    "fr": {"+": "plus", "-": "moins", "×": "fois", "*": "fois", "÷": "divisé par", "=": "égale",
           "<": "inférieur à", ">": "supérieur à", "≤": "inférieur ou égal à",
           "≥": "supérieur ou égal à", "≠": "différent de", "≈": "environ", "±": "plus ou moins",
           "√": "racine carrée de", "∞": "infini", "^": "puissance"},
    "it": {"+": "più", "-": "meno", "×": "per", "*": "per", "÷": "diviso", "=": "uguale a",
           "<": "minore di", ">": "maggiore di", "≤": "minore o uguale a",
           "≥": "maggiore o uguale a", "≠": "diverso da", "≈": "circa", "±": "più o meno",
           "√": "radice quadrata di", "∞": "infinito", "^": "elevato a"},
    "pt": {"+": "mais", "-": "menos", "×": "vezes", "*": "vezes", "÷": "dividido por",
           "=": "é igual a", "<": "menor que", ">": "maior que", "≤": "menor ou igual a",
           "≥": "maior ou igual a", "≠": "diferente de", "≈": "aproximadamente",
           "±": "mais ou menos", "√": "raiz quadrada de", "∞": "infinito", "^": "elevado a"},
}  # fmt: skip
_BY = {"en": "by", "es": "por", "fr": "sur", "it": "per", "pt": "por"}
_AND = {"en": "and", "es": "y", "fr": "et", "it": "e", "pt": "e"}
_SQUARED = {
    "en": {"²": "squared", "³": "cubed"},
    "es": {"²": "al cuadrado", "³": "al cubo"},
    "fr": {"²": "au carré", "³": "au cube"},
    "it": {"²": "al quadrato", "³": "al cubo"},
    "pt": {"²": "ao quadrado", "³": "ao cubo"},
}
_PERCENT = {"en": "percent", "es": "por ciento", "fr": "pour cent", "it": "per cento",
            "pt": "por cento"}  # fmt: skip
_DEGREES = {"en": "degrees", "es": "grados", "fr": "degrés", "it": "gradi", "pt": "graus"}
_TIMES = re.compile(r"(?<=\d) ?[xX×] ?(?=\d)")
_MINUS = re.compile(r"(?<=\d) [-−] (?=\d)|(?<=\d)[-−](?=\d+ ?=)")
_STAR = re.compile(r"(?<=\d) ?\* ?(?=\d)")
_MATH_SIGN = re.compile(r"[+×÷=<>≤≥≠≈±√∞^]")
_MUTE = re.compile(r"[*~_|\\{}\[\]<>^`¨¬¦§¶†‡•·@#$€£¥©®™=+°º%]")
_SPACES = re.compile(r"[ \u00a0]+")
_BEFORE_MARK = re.compile(r" +([,.;:!?…)”])")


def signs(text: str, language: Language) -> str:
    """Name the signs between numbers while the numbers are still digits."""
    math = _MATH[language.code]
    text = _TIMES.sub(f" {_BY[language.code]} ", text)
    text = _MINUS.sub(f" {math['-']} ", text)
    text = _STAR.sub(f" {math['*']} ", text)
    for sign, spoken in _SQUARED[language.code].items():
        text = text.replace(sign, f" {spoken}")
    return text


def symbols(text: str, language: Language) -> str:
    """Name the signs that are spoken, drop the others, and clean up spaces."""
    math = _MATH[language.code]
    text = text.replace("&", f" {_AND[language.code]} ")
    text = re.sub(r"(?<=\w) ?%", f" {_PERCENT[language.code]}", text)
    text = re.sub(r"(?<=\w) ?°", f" {_DEGREES[language.code]}", text)
    if re.search(r"[\w)] ?[+×÷=<>≤≥≠≈±^] ?[\w(-]|[±√≈]\s?\w|∞", text):
        text = _MATH_SIGN.sub(lambda found: f" {math[found.group()]} ", text)
    text = re.sub(r"(?<=\w)/(?=\w)", " ", text).replace("/", " ")
    text = _MUTE.sub(" ", text)
    lines = (_BEFORE_MARK.sub(r"\1", _SPACES.sub(" ", line)).strip() for line in text.split("\n"))
    return "\n".join(lines).strip()
