"""XTTS-v2 at its published size, with random weights."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

from tests.bench.gpu.models import Model, count, placeholder
from tests.engines.tiny_xtts import write_speakers, write_vocabulary

_WIDTH = 1024
_TEXT_TOKENS = 6681
_AUDIO_TOKENS = 1026
"""Both as in the configuration published with XTTS-v2."""
SPOKEN_TOKENS = 120
"""In every part of a text: 5.6 s, some 80 characters."""
_NEVER = -1e4


def speech(folder: Path) -> Model:
    """The language model (30 layers, 16 heads) and the decoder."""
    import torch

    logging.getLogger("TTS").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from TTS.tts.configs.xtts_config import XttsArgs, XttsConfig
        from TTS.tts.layers.xtts.tokenizer import VoiceBpeTokenizer
        from TTS.tts.layers.xtts.xtts_manager import SpeakerManager
        from TTS.tts.models.xtts import Xtts

    for name in ("config.json", "model.pth"):
        placeholder(folder / name)
    vocabulary, voices = folder / "vocab.json", folder / "speakers_xtts.pth"
    write_vocabulary(vocabulary, _TEXT_TOKENS)
    torch.manual_seed(4)
    write_speakers(voices, _WIDTH)
    args = XttsArgs(
        gpt_layers=30,
        gpt_n_model_channels=_WIDTH,
        gpt_n_heads=16,
        gpt_num_audio_tokens=_AUDIO_TOKENS,
        gpt_start_audio_token=_AUDIO_TOKENS - 2,
        gpt_stop_audio_token=_AUDIO_TOKENS - 1,
        gpt_use_perceiver_resampler=True,
        tokenizer_file=str(vocabulary),
    )
    model = Xtts(XttsConfig(model_args=args))
    model.tokenizer = VoiceBpeTokenizer(vocab_file=str(vocabulary))
    model.speaker_manager = SpeakerManager(str(voices))
    model.init_models()
    parameters = {"XTTS GPT": count(model.gpt), "XTTS decoder": count(model.hifigan_decoder)}
    with torch.no_grad():
        model.gpt.mel_head.bias[_AUDIO_TOKENS - 2 :] = _NEVER
        for name, weight in model.hifigan_decoder.waveform_decoder.conv_post.named_parameters():
            if name.endswith("weight"):
                weight.mul_(30.0)
    model.gpt.max_gen_mel_tokens = SPOKEN_TOKENS
    model.hifigan_decoder.eval()
    model.gpt.init_gpt_for_inference(kv_cache=True)
    model.gpt.eval()
    return Model(
        settings={"xtts_model": str(folder)},
        parameters=parameters,
        length=f"XTTS never stops of itself and says {SPOKEN_TOKENS} tokens (5.6 s) for each text",
        xtts=model,
    )
