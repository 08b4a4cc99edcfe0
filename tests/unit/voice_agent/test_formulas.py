"""Formulas in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.formulas import _NAMES, _WORDS, spoken, spoken_formulas
from voice_agent.prompts import _PROMPTS


@pytest.mark.parametrize(
    ("source", "language", "said"),
    [
        ("E = mc^2", "en", "E equals mc squared"),
        ("x^3 + y^{10}", "en", "x cubed plus y to the power of 10"),
        (r"\frac{a}{b}", "es", "a sobre b"),
        (r"\frac{\frac{1}{2}}{3}", "en", "1 over 2 over 3"),
        (
            r"\sqrt{x^2 + y^2} \leq 5",
            "pt",
            "a raiz quadrada de x ao quadrado mais y ao quadrado é menor ou igual a 5",
        ),
        (r"3 \times 4 \neq 13", "fr", "3 fois 4 est différent de 13"),
        (r"\alpha \approx 0.5", "it", "alpha è circa 0.5"),
        (r"a \geq b", "de", "a ist mindestens b"),
        (r"x_1 \to \infty", "sv", "x 1 to infinity"),
        (r"\left( a \right)", "en", "( a )"),
        ("H_2O", "en", "H 2O"),
    ],
)
def test_spoken(source, language, said):
    assert spoken(source, language) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Take $x$ or $y = 2$.", "Take x or y equals 2."),
        ("It costs $5, not $10.", "It costs $5, not $10."),
        ("From $5-$10", "From $5-$10"),
        (r"Escaped \$5 = five\$", r"Escaped \$5 = five\$"),
    ],
)
def test_money_is_no_formula(text, said):
    assert spoken_formulas(text, "en") == said


def test_every_language_of_the_prompts_has_all_words():
    assert set(_WORDS) == set(_PROMPTS)
    assert {len(words) for words in _WORDS.values()} == {len(_NAMES)}


@given(st.text(max_size=80), st.sampled_from(["en", "es", "xx"]))
def test_nothing_breaks_it_and_no_markup_is_left(source, language):
    said = spoken(source, language)
    assert not set("\\{}^_") & set(said)
