"""Phonemes: the right alphabet, the right sounds where they are known, the right errors."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core.errors import EngineFailure, InvalidRequest, NotReady
from tts_service.text.g2p import available_languages, espeak, phonemize
from tts_service.text.g2p.vocabulary import SYMBOLS, fit
from tts_service.text.normalize import normalize

SENTENCES = Path(__file__).parents[3] / "bench" / "sentences"
OWN = ("en", "es", "fr", "it", "pt")


def _need(language: str) -> None:
    if language not in available_languages():
        pytest.skip(f"the pronunciation of '{language}' is not installed")


def test_alphabet_is_the_models(models_dir: Path) -> None:
    raw = json.loads((models_dir / "kokoro" / "vocab.json").read_text(encoding="utf-8"))
    assert frozenset(raw.get("vocab", raw)) == SYMBOLS


def test_fit_maps_decomposes_and_drops() -> None:
    assert fit("t\u0361ʃãŋɡo a\u0361ɪ gato") == "ʧa\u0303ŋɡo I ɡato"
    assert fit("ça «va»  ?") == "ça “va”?"
    assert fit("ß日") == ""


@pytest.mark.parametrize("language", OWN)
def test_bench_sentences_lose_nothing(language: str) -> None:
    _need(language)
    for line in (SENTENCES / f"{language}.jsonl").read_text(encoding="utf-8").splitlines():
        text = normalize(json.loads(line)["text"], language)
        phonemes = phonemize(text, language)
        assert set(phonemes) <= SYMBOLS
        assert phonemes.count("ˈ") >= len(text.split()) / 4, phonemes
        assert phonemes[-1] in ".?!"
        assert [c for c in phonemes if c in ",.?!"] == [c for c in text if c in ",.?!"]


@pytest.mark.parametrize(
    ("language", "text", "phonemes"),
    [
        ("en", "Hello there.", "həlˈO ðˈɛɹ."),
        ("en-GB", "Hello there.", "həlˈQ ðˈɛː."),
        ("es", "¿Qué hora es?", "kˈe ˈoɾa es?"),
        ("pt-BR", "Bom dia, gente.", "bˈoŋ ʤˈiæ, ʒˈAŋʧy."),
        ("pt", "coração, irmão, quarenta", "koɾasˈɐ̃ʊ̃, iɾəmˈɐ̃ʊ̃, kwaɾˈAŋtæ"),
        ("pt", "as horas, exemplo, táxi", "az ˈɔɾæs, ezˈAmplʊ, tˈaksi"),
        ("pt", "os amigos", "ʊz æmˈiɡʊs"),
        ("fr", "Où est la bibliothèque ?", "ˈu ɛ la bibliotˈɛk?"),
        ("fr", "les enfants, les haricots", "lez ɑ̃fˈɑ̃, le aʁikˈo"),
        ("fr", "dix heures, dix livres, dix", "dˈiz ˈœʁ, dˈi lˈivʁ, dˈis"),
        ("fr", "vingt-deux, quatre-vingt-deux", "vɛ̃tdˈø, katʁvɛ̃dˈø"),
        ("fr", "dix-sept, dix-neuf euros", "disˈɛt, diznˈœv øʁˈo"),
        ("it", "gli gnocchi, la scienza", "ʎɪ ɲˈɔkːɪ, la ʃˈɛnʦa"),
        ("it", "perché, città, piccolo, amici", "perkˈe, ʧitːˈa, pˈikːolo, amˈiʧɪ"),
        ("it", "c'era una ragazza", "ʧˈera una raɡˈaʦːa"),
    ],
)
def test_known_words(language: str, text: str, phonemes: str) -> None:
    _need(language.lower() if language == "en-GB" else language.split("-", maxsplit=1)[0])
    assert fit(phonemes) == phonemize(text, language)


def test_mandarin() -> None:
    _need("zh")
    assert phonemize("你好，银行。", "zh-CN") == "ni↗xaʊ↓, in↗xaŋ↗."
    assert "ɚ↘ ʂɨ↗" not in phonemize("2025年", "zh")
    assert set(phonemize("我有1250块，OK。", "zh")) <= SYMBOLS


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "零"), (10, "十"), (12, "十二"), (105, "一百零五"), (1250, "一千二百五十"),
        (10_001, "一万零一"), (120_000, "十二万"), (100_000_000, "一亿"),
    ],
)  # fmt: skip
def test_mandarin_numbers(value: int, words: str) -> None:
    from tts_service.text.g2p.languages.chinese import number_words

    assert number_words(value) == words


def test_japanese_symbols_need_no_library() -> None:
    from tts_service.text.g2p.languages.japanese import symbols

    assert symbols(["k", "o", "N", "n", "i", "ch", "i", "w", "a"]) == "konɲiʨiβa"
    assert symbols(["g", "a", "cl", "k", "o", "o", "d", "e", "s", "U"]) == "ɡaʔkoːdesɨ"


def test_unknown_language_names_the_ones_there_are() -> None:
    with pytest.raises(InvalidRequest) as failure:
        phonemize("a", "tlh")
    assert failure.value.param == "language"
    assert failure.value.details["available"] == list(available_languages())


def test_missing_library_names_the_extra() -> None:
    if find_spec("pyopenjtalk") is not None:
        pytest.skip("Japanese is installed here")
    with pytest.raises(NotReady, match=r"\.\[ja\]"):
        phonemize("はい", "ja")


def test_missing_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "hi" not in available_languages()
    with pytest.raises(NotReady, match="espeak-ng"):
        phonemize("नमस्ते", "hi")


def _program(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / espeak.PROGRAM
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_program_gets_clauses_and_marks_come_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _program(tmp_path, "grep . | tr a-z b-za", monkeypatch)
    assert "hi" in available_languages()
    assert espeak.phonemize("abc, (def)! no?", "hi") == "bcd, (efɡ)! op?"


def test_program_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _program(tmp_path, "exit 3", monkeypatch)
    with pytest.raises(EngineFailure):
        espeak.phonemize("abc", "hi")


def test_program_that_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _program(tmp_path, "exec sleep 30", monkeypatch)
    monkeypatch.setattr(espeak, "TIMEOUT_S", 0.2)
    with pytest.raises(EngineFailure):
        espeak.phonemize("abc", "hi")


def test_program_that_swallows_a_clause(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _program(tmp_path, "echo one", monkeypatch)
    with pytest.raises(EngineFailure, match="lines"):
        espeak.phonemize("abc, def", "hi")


def test_threads_get_what_one_gets() -> None:
    language = "pt"
    texts = [f"Hoje é dia {word}." for word in ("um", "dois", "três", "sete")] * 10
    alone = [phonemize(text, language) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: phonemize(text, language), texts)) == alone


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60), st.sampled_from(OWN))
def test_any_text_gives_symbols_only(text: str, language: str) -> None:
    if language in available_languages():
        assert set(phonemize(normalize(text, language), language)) <= SYMBOLS
