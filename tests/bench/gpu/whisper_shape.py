"""Whisper of any size for CTranslate2, with random weights that spell out a fixed script.

A position's embedding outweighs whatever the layers add, and the output row of the token that the
script has next to that position points the same way: decoding, with its beams and its checks, runs
as on a real model and emits the script, whatever it hears. Layers share one set of random weights
(which the file holds once for each of them): their speed is the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.gpu.models import Model

SCRIPT_TOKENS = 80
"""Of text in every passage: a passage of 25 s of speech has about as many."""
_LETTERS = 256
_TEXT = 50_257
_AUDIO_POSITIONS = 1500
_TEXT_POSITIONS = 448
_STD = 0.01
_LOUD = 30.0
"""Of a position's embedding, over what 32 layers of such weights add (some 10)."""
_LOGIT = 30.0
"""Of the script's token over all others, which lie around 0."""
_LANGUAGES = (  # noqa: SIM905 (a hundred quoted words are no easier to read)
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th "
    "ur hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr "
    "pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt "
    "haw ln ha ba jw su yue"
).split()
"""The hundred of large-v3, in the order of their tokens."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a Whisper; ``layers`` of the encoder and as many of the decoder."""

    name: str
    layers: int
    width: int
    heads: int
    mels: int = 128


LARGE_V3 = Shape("whisper large-v3", 32, 1280, 20)
TINY = Shape("whisper (tiny)", 2, 64, 2)


def write(shape: Shape, folder: Path) -> Model:
    """A folder as faster-whisper takes it; 3.1 GB for large-v3."""
    from ctranslate2.specs.whisper_spec import WhisperSpec

    folder.mkdir(parents=True, exist_ok=True)
    tokens = _vocabulary()
    spec = WhisperSpec(shape.layers, shape.heads, shape.layers, shape.heads)
    weights = _Weights(shape, tokens)
    needed = [name for name, value in spec.variables().items() if value is None]
    optional = [f"{part}/position_encodings/encodings" for part in ("encoder", "decoder")]
    for name in needed:
        part, leaf = name.rsplit("/", 1)
        if leaf == "weight" and not part.endswith(("embeddings", "projection")):
            optional.append(f"{part}/bias")
    for name in {*needed, *optional}:
        _assign(spec, name, weights.of(name))
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [_TEXT]
    spec.config.lang_ids = list(range(_TEXT + 2, _TEXT + 2 + len(_LANGUAGES)))
    spec.config.alignment_heads = [[shape.layers - 1, 0]]
    spec.register_vocabulary(tokens)
    spec.validate()
    spec.save(str(folder))
    _write_tokenizer(folder / "tokenizer.json", tokens)
    extractor = {"feature_size": shape.mels}
    (folder / "preprocessor_config.json").write_text(json.dumps(extractor), "utf-8")
    return Model(
        settings={"whisper_model": str(folder)},
        parameters={shape.name: weights.count},
        length=f"Whisper writes some {SCRIPT_TOKENS} tokens for every passage",
        weights="float16 file",
    )


def _vocabulary() -> list[str]:
    """Bytes and made-up words, then the special tokens and the times of large-v3: 51,866."""
    from tokenizers.pre_tokenizers import ByteLevel

    syllables = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]
    size = len(syllables)
    letters = sorted(ByteLevel.alphabet())
    words = [
        "Ġ"
        + syllables[n % size]
        + syllables[n // size % size]
        + syllables[(n // size**2 + 7 * n) % size]
        for n in range(_TEXT - _LETTERS)
    ]
    return [
        *letters,
        *words,
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(f"<|{tag}|>" for tag in _LANGUAGES),
        *("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>"),
        *("<|nospeech|>", "<|notimestamps|>"),
        *(f"<|{step * 0.02:.2f}|>" for step in range(1501)),
    ]


class _Weights:
    """Arrays for the variables of a ``WhisperSpec``, one for each shape."""

    def __init__(self, shape: Shape, tokens: list[str]) -> None:
        self._shape = shape
        self._random = np.random.default_rng(5)
        self._made: dict[tuple[int, ...], NDArray[np.float16]] = {}
        self.count = 0
        self._positions = np.where(
            self._random.random((_TEXT_POSITIONS, shape.width)) < 0.5, -_LOUD, _LOUD
        )
        row = _LOGIT / shape.width
        rows = self._random.normal(0, _STD / 2, (len(tokens), shape.width))
        # The row of what follows a position; the text ends after the longest prompt and script.
        script = _LETTERS + self._random.choice(_TEXT - _LETTERS, _TEXT_POSITIONS, replace=False)
        script[4 + SCRIPT_TOKENS :] = _TEXT
        for position, token in enumerate(script):
            if token != _TEXT:
                rows[token] += row * np.sign(self._positions[position])
        # Beyond the script all positions are alike, so that one row speaks for them.
        self._positions[4 + SCRIPT_TOKENS :] = self._positions[4 + SCRIPT_TOKENS]
        rows[_TEXT] = row * np.sign(self._positions[4 + SCRIPT_TOKENS])
        self._rows = rows

    def of(self, name: str) -> NDArray[Any]:
        """The array of one variable of the spec."""
        array = self._array(name)
        if "projection" not in name:
            self.count += array.size
        return array

    def _array(self, name: str) -> NDArray[Any]:
        width, mels = self._shape.width, self._shape.mels
        part, leaf = name.rsplit("/", 1)
        cross = "/attention/" in name
        if "position_encodings" in name:
            if name.startswith("decoder"):
                return self._positions.astype(np.float16)
            return self._weight(_AUDIO_POSITIONS, width)
        if part.endswith(("embeddings", "projection")):
            return self._rows.astype(np.float16)
        if leaf in ("gamma", "beta"):
            return np.full(width, float(leaf == "gamma"), np.float16)
        if part.endswith(("conv1", "conv2")):
            inputs = mels if part.endswith("conv1") else width
            outputs: tuple[int, ...] = (width, inputs, 3)
        elif part.endswith(("linear_0", "linear_1")) and "attention" not in part:
            outputs = (4 * width, width) if part.endswith("linear_0") else (width, 4 * width)
        elif part.endswith("linear_0"):
            outputs = (width, width) if cross else (3 * width, width)
        elif part.endswith("linear_1") and cross:
            outputs = (2 * width, width)
        else:
            outputs = (width, width)
        return np.zeros(outputs[0], np.float16) if leaf == "bias" else self._weight(*outputs)

    def _weight(self, *shape: int) -> NDArray[np.float16]:
        if shape not in self._made:
            self._made[shape] = self._random.normal(0, _STD, shape).astype(np.float16)
        return self._made[shape]


def _assign(spec: Any, name: str, value: NDArray[Any]) -> None:
    from ctranslate2.specs.model_spec import index_spec

    scope, leaf = name.rsplit("/", 1)
    setattr(index_spec(spec, scope), leaf, value)


def _write_tokenizer(path: Path, tokens: list[str]) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {token: number for number, token in enumerate(tokens[:_TEXT])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token) for token in tokens[_TEXT:]])
    tokenizer.save(str(path))
