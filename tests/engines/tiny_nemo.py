"""Tiny NeMo models with random weights, saved as ``.nemo`` archives: the real loading code runs.

They are built by NeMo's own classes. Weights are random, so what they say is noise of the right
shape; biases are set so that durations and emitted words are never degenerate.
"""

from __future__ import annotations

import math
from pathlib import Path

from tests.engines import nemo_configs

WIDTH = 32


def fastpitch(path: Path, speakers: int = 1, frames: tuple[int, int] = (4, 8)) -> Path:
    """A FastPitch of some 100,000 parameters for English characters.

    Args:
        path: the archive.
        speakers: its voices.
        frames: fewest and most that a character is said in.
    """
    import torch
    from nemo.collections.tts.models import FastPitchModel
    from omegaconf import OmegaConf

    torch.manual_seed(1)
    config = nemo_configs.fastpitch(
        width=WIDTH,
        layers=1,
        head=16,
        inner=64,
        predictor_filters=16,
        predictor_layers=1,
        frames_per_token=frames,
        speakers=speakers,
    )
    model = FastPitchModel(cfg=OmegaConf.create(config)).eval()
    with torch.no_grad():
        # The predictor's logarithm of 1 + frames: the middle, with some variety around it.
        model.fastpitch.duration_predictor.fc.bias.fill_(math.log1p(sum(frames) / 2))
    model.save_to(str(path))
    return path


def hifigan(path: Path, channels: int = 32) -> Path:
    """A HiFiGAN whose generator is narrow; its discriminators are what the class makes them."""
    import torch
    from nemo.collections.tts.models import HifiGanModel
    from omegaconf import OmegaConf

    torch.manual_seed(2)
    config = nemo_configs.hifigan(channels=channels, kernels=[3])
    model = HifiGanModel(cfg=OmegaConf.create(config)).eval()
    with torch.no_grad():
        # The last layer must not pass its inputs' mean on, which would be a constant instead of a
        # sound; and a narrow generator is quiet.
        last = dict(model.generator.conv_post.named_parameters())
        last.pop("bias").zero_()
        magnitude, direction = last.values()
        direction -= direction.mean(dim=-1, keepdim=True)
        magnitude.mul_(40.0)
    model.save_to(str(path))
    return path


def parakeet(path: Path, work: Path) -> Path:
    """A Parakeet-TDT of some 60,000 parameters whose joint network prefers words to blanks."""
    import torch
    from nemo.collections.asr.models import EncDecRNNTBPEModel
    from omegaconf import OmegaConf

    torch.manual_seed(3)
    tokenizer = work / "tokenizer"
    sentences = ["the quick brown fox jumps over the lazy dog"] * 50
    vocabulary = nemo_configs.train_tokenizer(tokenizer, sentences, 40)
    config = nemo_configs.parakeet(
        tokenizer,
        width=WIDTH,
        layers=2,
        heads=4,
        expansion=2,
        subsampling_channels=16,
        convolution=9,
        hidden=WIDTH,
        rnn_layers=1,
    )
    model = EncDecRNNTBPEModel(cfg=OmegaConf.create(config)).eval()
    last = model.joint.joint_net[-1]
    with torch.no_grad():
        last.weight.mul_(8.0)
        # Outputs: tokens, blank, then the five durations.
        last.bias[len(vocabulary)] -= 2.0
        last.bias[-5] -= 20.0
        # Words are short: the beginnings of words are likelier than their middles.
        for number, piece in enumerate(vocabulary):
            last.bias[number] += 1.5 if piece.startswith("\u2581") else 0.0
    model.save_to(str(path))
    return path
