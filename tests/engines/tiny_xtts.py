"""A tiny XTTS with random weights, saved as its own files: the real loading code runs.

It never stops of itself: every part of a text is as long as the model may speak. The vocoder keeps
its real shape, since its sizes are no part of the configuration; :func:`narrow_vocoder` changes the
class for tests that would take too long.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path

WIDTH = 64
SPEAKERS = ("Ada Lovelace", "Alan Turing")
_AUDIO_TOKENS = 66
# fmt: off
_LANGUAGES = (
    "en", "es", "fr", "de", "it", "pt", "pl", "tr", "ru", "nl", "cs", "ar", "zh-cn", "hu", "ko",
    "ja", "hi",
)
# fmt: on


def narrow_vocoder(channels: int = 32) -> None:
    """Make every XTTS of this process with a vocoder of ``channels`` instead of 512."""
    from TTS.tts.layers.xtts.hifigan_decoder import HifiDecoder

    signature = inspect.signature(HifiDecoder.__init__)
    optional = [p for p in signature.parameters.values() if p.default is not p.empty]
    HifiDecoder.__init__.__defaults__ = tuple(
        channels if p.name == "upsample_initial_channel_decoder" else p.default for p in optional
    )


def build(folder: Path, *, longest_tokens: int = 45, speakers: bool = True) -> Path:
    """Writes ``config.json``, ``model.pth``, ``vocab.json`` and ``speakers_xtts.pth``."""
    import torch
    from TTS.tts.configs.xtts_config import XttsArgs, XttsConfig
    from TTS.tts.layers.xtts.tokenizer import VoiceBpeTokenizer
    from TTS.tts.models.xtts import Xtts

    folder.mkdir(parents=True, exist_ok=True)
    write_vocabulary(folder / "vocab.json")
    args = XttsArgs(
        gpt_layers=2,
        gpt_n_model_channels=WIDTH,
        gpt_n_heads=2,
        gpt_num_audio_tokens=_AUDIO_TOKENS,
        gpt_start_audio_token=_AUDIO_TOKENS - 2,
        gpt_stop_audio_token=_AUDIO_TOKENS - 1,
        gpt_max_audio_tokens=longest_tokens,
        gpt_use_perceiver_resampler=True,
        decoder_input_dim=WIDTH,
        tokenizer_file=str(folder / "vocab.json"),
    )
    config = XttsConfig(model_args=args)
    torch.manual_seed(4)
    model = Xtts(config)
    model.tokenizer = VoiceBpeTokenizer(vocab_file=str(folder / "vocab.json"))
    model.init_models()
    with torch.no_grad():
        # Never the end: lengths are then the same in every run.
        model.gpt.mel_head.bias[_AUDIO_TOKENS - 1] = -1e4
        model.gpt.mel_head.bias[_AUDIO_TOKENS - 2] = -1e4
        for name, weight in model.hifigan_decoder.waveform_decoder.conv_post.named_parameters():
            if name.endswith("weight"):
                weight.mul_(30.0)
    config.save_json(str(folder / "config.json"))
    torch.save({"model": model.state_dict()}, folder / "model.pth")
    if speakers:
        write_speakers(folder / "speakers_xtts.pth", WIDTH)
    return folder


def write_speakers(path: Path, width: int) -> None:
    """Random latents of :data:`SPEAKERS` for a model of ``width``."""
    import torch

    torch.save(
        {
            name: {
                "gpt_cond_latent": torch.randn(1, 32, width),
                "speaker_embedding": torch.nn.functional.normalize(torch.randn(1, 512, 1), dim=1),
            }
            for name in SPEAKERS
        },
        path,
    )


def write_vocabulary(path: Path, size: int = 0) -> None:
    """A BPE vocabulary of letters, filled up to ``size`` entries that no text has."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789'.,!?;:-áéíóúñüçãõàèìòùâêîôû"
    special = ["[STOP]", "[UNK]", "[SPACE]", *(f"[{tag}]" for tag in _LANGUAGES), "[START]"]
    vocabulary = {token: number for number, token in enumerate([*special, *letters])}
    for number in range(len(vocabulary), size):
        vocabulary[f"<unused{number}>"] = number
    added = [
        {
            "id": vocabulary[token],
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for token in special
    ]
    path.write_text(
        json.dumps(
            {
                "version": "1.0",
                "truncation": None,
                "padding": None,
                "added_tokens": added,
                "normalizer": None,
                "pre_tokenizer": {"type": "Whitespace"},
                "post_processor": None,
                "decoder": None,
                "model": {
                    "type": "BPE",
                    "dropout": None,
                    "unk_token": "[UNK]",
                    "continuing_subword_prefix": None,
                    "end_of_word_suffix": None,
                    "fuse_unk": False,
                    "vocab": vocabulary,
                    "merges": [],
                },
            }
        ),
        "utf-8",
    )
