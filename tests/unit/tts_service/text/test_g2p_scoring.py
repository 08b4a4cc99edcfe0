"""The word error rate that benches report: what it forgives and what it does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[4]))

from tests.bench.scoring import Score, best_score, score, total, words


@pytest.mark.parametrize(
    ("language", "reference", "transcript"),
    [
        ("en", "the train leaves at ten thirty", "The train leaves at 10:30."),
        ("en", "twelve dollars and fifty cents", "$12.50"),
        ("en", "mister Brown has forty-two", "Mr. Brown has 42"),
        ("es", "veintiuna personas", "21 personas"),
        ("pt", "o rei luís quatorze", "O rei Luís catorze."),
        ("fr", "l'école à dix heures trente", "L’école, à 10h30 !"),
        ("it", "il quarantacinque per cento", "Il 45%"),
    ],
)
def test_spelling_is_no_error(language: str, reference: str, transcript: str) -> None:
    assert score(reference, transcript, language).errors == 0


@pytest.mark.parametrize(
    ("language", "reference", "transcript", "errors"),
    [
        ("es", "el año nuevo", "el ano nuevo", 1),
        ("pt", "duas horas", "dois horas", 1),
        ("en", "we will stay at home", "we stay home", 2),
        ("en", "hello", "", 1),
        ("en", "hello", "hello hello there", 2),
    ],
)
def test_errors_count(language: str, reference: str, transcript: str, errors: int) -> None:
    assert score(reference, transcript, language).errors == errors


def test_total_weighs_by_words() -> None:
    both = total([Score(1, 1), Score(0, 9)])
    assert both.rate == pytest.approx(0.1)
    assert total([]).rate == 0


def test_any_right_reading_counts() -> None:
    readings = ["at half past ten", "at ten thirty"]
    assert best_score(readings, "at 10:30", "en").errors == 0


def test_region_does_not_matter() -> None:
    assert words("Catorze.", "pt-BR") == ["quatorze"]


def test_digits_said_one_by_one_may_be_written_together() -> None:
    said = ["call five five five zero one"]
    assert best_score(said, "Call 55501.", "en", digits=True).errors == 0
    assert best_score(said, "Call 55501.", "en").errors > 0
    assert best_score(said, "Call 55502.", "en", digits=True).errors == 1
