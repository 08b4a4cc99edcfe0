"""FastPitch, HiFiGAN and Parakeet at their published sizes, with random weights."""

from __future__ import annotations

import logging
import random
from pathlib import Path
from typing import Any

from tests.bench.gpu.models import Model, count, placeholder
from tests.engines import nemo_configs

FRAMES_PER_TOKEN = 6
"""Of 11.6 ms: with some 14 characters a second, what English speech has."""
_LOUDNESS = 0.1
"""Root mean square of the vocoder's output: about that of speech."""
_NEVER = 50.0
_TOKEN_DURATION = 3
"""Frames of 80 ms that each token takes: 4.2 tokens a second, as speech at 160 words a minute."""
_ENCODERS = {
    "parakeet-tdt-0.6b": {"layers": 24, "convolution": 9, "features": 128, "pieces": 1024},
    "parakeet-tdt-1.1b": {"layers": 42, "convolution": 5, "features": 80, "pieces": 1024},
}
"""XLarge and XXLarge of the table of sizes in NeMo's ``fast-conformer_transducer_bpe.yaml``; the
features are those of the published models."""


def speech(folder: Path) -> Model:
    """The recipe ``fastpitch_align_v1.05`` and HiFiGAN's first generator."""
    import torch

    _quiet()
    from nemo.collections.tts.models import FastPitchModel, HifiGanModel
    from omegaconf import OmegaConf

    torch.manual_seed(1)
    config = nemo_configs.fastpitch(
        width=384,
        layers=6,
        head=64,
        inner=1536,
        predictor_filters=256,
        predictor_layers=2,
        frames_per_token=(FRAMES_PER_TOKEN, FRAMES_PER_TOKEN),
    )
    spectrogram = FastPitchModel(cfg=OmegaConf.create(config)).eval()
    config = nemo_configs.hifigan(channels=512, kernels=[3, 7, 11])
    vocoder = HifiGanModel(cfg=OmegaConf.create(config)).eval()
    vocoder.mpd = vocoder.msd = None
    _make_audible(vocoder)
    return Model(
        settings={
            "nemo_tts_spectrogram": placeholder(folder / "fastpitch.nemo"),
            "nemo_tts_vocoder": placeholder(folder / "hifigan.nemo"),
        },
        parameters={"FastPitch": count(spectrogram), "HiFiGAN generator": count(vocoder.generator)},
        length=f"FastPitch says every character in {FRAMES_PER_TOKEN} frames of 11.6 ms",
        nemo={"fastpitch": spectrogram, "hifigan": vocoder},
    )


def recogniser(name: str, folder: Path) -> Model:
    """A Parakeet of :data:`_ENCODERS` with a tokenizer of random words."""
    import torch

    _quiet()
    from nemo.collections.asr.models import EncDecRNNTBPEModel
    from omegaconf import OmegaConf

    torch.manual_seed(3)
    size = _ENCODERS[name]
    tokenizer = folder / "tokenizer"
    pieces = nemo_configs.train_tokenizer(tokenizer, _babble(), size["pieces"])
    config = nemo_configs.parakeet(
        tokenizer,
        width=1024,
        layers=size["layers"],
        heads=8,
        expansion=4,
        subsampling_channels=256,
        convolution=size["convolution"],
        hidden=640,
        rnn_layers=2,
        features=size["features"],
    )
    model = EncDecRNNTBPEModel(cfg=OmegaConf.create(config)).eval()
    last = model.joint.joint_net[-1]
    durations = len(nemo_configs.DURATIONS)
    with torch.no_grad():
        # Outputs: tokens, blank, durations. Never a blank, always the same duration.
        last.bias[len(pieces)] = -_NEVER
        last.bias[_TOKEN_DURATION - durations] = _NEVER
    rate = 1 / (_TOKEN_DURATION * 0.08)
    return Model(
        settings={"parakeet_model": placeholder(folder / f"{name}.nemo")},
        parameters={name: count(model)},
        length=f"Parakeet emits a token every {_TOKEN_DURATION} frames of 80 ms, {rate:.1f} a "
        "second",
        nemo={name: model},
    )


def _make_audible(vocoder: Any) -> None:
    """Random weights whisper; the last layer is scaled so that nothing is cut as silence."""
    import torch

    post = vocoder.generator.conv_post
    before: list[Any] = []
    hook = post.register_forward_hook(lambda _module, _inputs, output: before.append(output))
    with torch.inference_mode():
        vocoder.convert_spectrogram_to_audio(spec=torch.randn(1, 80, 40))
    hook.remove()
    with torch.no_grad():
        for name, weight in post.named_parameters():
            weight.mul_(0.0 if name == "bias" else _LOUDNESS / before[0].std().item())


def _babble() -> list[str]:
    """Sentences of made-up words, enough for a tokenizer of a thousand pieces."""
    source = random.Random(0)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "or")]
    words = ["".join(source.choices(syllables, k=source.randint(1, 4))) for _ in range(4000)]
    return [" ".join(source.choices(words, k=12)) for _ in range(3000)]


def _quiet() -> None:
    from nemo.utils import logging as nemo_logging

    nemo_logging.setLevel(logging.ERROR)
