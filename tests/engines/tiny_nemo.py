"""Tiny NeMo models with random weights, saved as ``.nemo`` archives: the real loading code runs.

They are built by NeMo's own classes. Weights are random, so what they say is noise of the right
shape; biases are set so that durations and emitted words are never degenerate.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

TTS_RATE = 22_050
WIDTH = 32


def fastpitch(path: Path, speakers: int = 1) -> Path:
    """A FastPitch of some 100,000 parameters for English characters."""
    import torch
    from nemo.collections.tts.models import FastPitchModel
    from omegaconf import OmegaConf

    torch.manual_seed(1)
    fft = {"n_layer": 1, "n_head": 1, "d_model": WIDTH, "d_head": 16, "d_inner": 64}
    fft |= {"kernel_size": 3, "dropout": 0.1, "dropatt": 0.1, "dropemb": 0.0}
    predictor = {
        "_target_": "nemo.collections.tts.modules.fastpitch.TemporalPredictor",
        "input_size": WIDTH,
        "kernel_size": 3,
        "filter_size": 16,
        "dropout": 0.1,
        "n_layers": 1,
    }
    config = {
        "learn_alignment": True,
        "n_speakers": speakers,
        "min_token_duration": 4,
        "max_token_duration": 8,
        "symbols_embedding_dim": WIDTH,
        "pitch_embedding_kernel_size": 3,
        "n_mel_channels": 80,
        "n_window_size": 1024,
        "n_window_stride": 256,
        "sample_rate": TTS_RATE,
        "pitch_mean": 212.35,
        "pitch_std": 68.52,
        "text_tokenizer": {
            "_target_": "nemo.collections.common.tokenizers.text_to_speech.tts_tokenizers."
            "EnglishCharsTokenizer",
            "punct": True,
            "apostrophe": True,
            "pad_with_space": True,
        },
        "train_ds": {
            "defer_setup": True,
            "dataset": {"_target_": "nemo.collections.tts.data.dataset.TTSDataset"},
        },
        "preprocessor": _mel_preprocessor(),
        "input_fft": {
            "_target_": "nemo.collections.tts.modules.transformer.FFTransformerEncoder",
            **fft,
            "d_embed": WIDTH,
        },
        "output_fft": {
            "_target_": "nemo.collections.tts.modules.transformer.FFTransformerDecoder",
            **fft,
        },
        "alignment_module": {
            "_target_": "nemo.collections.tts.modules.aligner.AlignmentEncoder",
            "n_text_channels": WIDTH,
        },
        "duration_predictor": predictor,
        "pitch_predictor": dict(predictor),
    }
    model = FastPitchModel(cfg=OmegaConf.create(config)).eval()
    with torch.no_grad():
        # log(1 + 6) frames: six a character, with some variety around it.
        model.fastpitch.duration_predictor.fc.bias.fill_(1.95)
    model.save_to(str(path))
    return path


def hifigan(path: Path) -> Path:
    """A HiFiGAN whose generator is narrow; its discriminators are what the class makes them."""
    import torch
    from nemo.collections.tts.models import HifiGanModel
    from omegaconf import OmegaConf

    torch.manual_seed(2)
    config = {
        "preprocessor": _mel_features(),
        "generator": {
            "_target_": "nemo.collections.tts.modules.hifigan_modules.Generator",
            "resblock": 1,
            "upsample_rates": [8, 8, 2, 2],
            "upsample_kernel_sizes": [16, 16, 4, 4],
            "upsample_initial_channel": 32,
            "resblock_kernel_sizes": [3],
            "resblock_dilation_sizes": [[1, 3, 5]],
        },
        "train_ds": {
            "defer_setup": True,
            "dataset": {
                "_target_": "nemo.collections.tts.data.dataset.VocoderDataset",
                "load_precomputed_mel": False,
            },
        },
        "optim": {"_target_": "torch.optim.AdamW", "lr": 1e-4},
        "max_steps": 1,
    }
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
    import sentencepiece
    import torch
    from nemo.collections.asr.models import EncDecRNNTBPEModel
    from omegaconf import OmegaConf

    torch.manual_seed(3)
    tokenizer = work / "tokenizer"
    tokenizer.mkdir(parents=True, exist_ok=True)
    corpus = work / "corpus.txt"
    corpus.write_text("\n".join(["the quick brown fox jumps over the lazy dog"] * 50), "utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(tokenizer / "tokenizer"),
        vocab_size=40,
        hard_vocab_limit=False,
        model_type="unigram",
        bos_id=-1,
        eos_id=-1,
        minloglevel=2,
    )
    vocabulary = [
        line.split("\t")[0]
        for line in (tokenizer / "tokenizer.vocab").read_text("utf-8").splitlines()
    ]
    (tokenizer / "vocab.txt").write_text("\n".join(vocabulary), "utf-8")
    hidden = 32
    config = {
        "sample_rate": 16_000,
        "tokenizer": {"dir": str(tokenizer), "type": "bpe"},
        "preprocessor": {
            "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
            "sample_rate": 16_000,
            "normalize": "per_feature",
            "window_size": 0.025,
            "window_stride": 0.01,
            "window": "hann",
            "features": 80,
            "n_fft": 512,
            "dither": 0.0,
            "pad_to": 0,
        },
        "encoder": {
            "_target_": "nemo.collections.asr.modules.ConformerEncoder",
            "feat_in": 80,
            "feat_out": -1,
            "n_layers": 2,
            "d_model": hidden,
            "subsampling": "dw_striding",
            "subsampling_factor": 8,
            "subsampling_conv_channels": 16,
            "causal_downsampling": False,
            "ff_expansion_factor": 2,
            "self_attention_model": "rel_pos",
            "n_heads": 4,
            "pos_emb_max_len": 5000,
            "att_context_size": [-1, -1],
            "conv_kernel_size": 9,
            "dropout": 0.0,
            "dropout_emb": 0.0,
            "dropout_att": 0.0,
            "dropout_pre_encoder": 0.0,
        },
        "decoder": {
            "_target_": "nemo.collections.asr.modules.RNNTDecoder",
            "normalization_mode": None,
            "random_state_sampling": False,
            "blank_as_pad": True,
            "prednet": {"pred_hidden": hidden, "pred_rnn_layers": 1, "dropout": 0.0},
        },
        "joint": {
            "_target_": "nemo.collections.asr.modules.RNNTJoint",
            "log_softmax": None,
            "preserve_memory": False,
            "fuse_loss_wer": False,
            "num_extra_outputs": 5,
            "jointnet": {"joint_hidden": hidden, "activation": "relu", "dropout": 0.0},
        },
        "decoding": {
            "strategy": "greedy_batch",
            "model_type": "tdt",
            "durations": [0, 1, 2, 3, 4],
            "greedy": {"max_symbols": 5},
        },
        "loss": {"loss_name": "tdt", "tdt_kwargs": {"durations": [0, 1, 2, 3, 4]}},
        "model_defaults": {
            "tdt_durations": [0, 1, 2, 3, 4],
            "num_tdt_durations": 5,
            "enc_hidden": hidden,
            "pred_hidden": hidden,
            "joint_hidden": hidden,
        },
        "validation_ds": {"defer_setup": True, "use_start_end_token": False},
        "optim": {"name": "adamw", "lr": 1e-3},
    }
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


def _mel_features() -> dict[str, Any]:
    return {
        "_target_": "nemo.collections.asr.parts.preprocessing.features.FilterbankFeatures",
        "nfilt": 80,
        "lowfreq": 0,
        "highfreq": 8000,
        "n_fft": 1024,
        "n_window_size": 1024,
        "n_window_stride": 256,
        "pad_to": 0,
        "pad_value": -11.52,
        "sample_rate": TTS_RATE,
        "window": "hann",
        "normalize": None,
        "preemph": None,
        "dither": 0.0,
        "frame_splicing": 1,
        "log": True,
        "log_zero_guard_type": "add",
        "log_zero_guard_value": 1e-5,
        "mag_power": 1.0,
    }


def _mel_preprocessor() -> dict[str, Any]:
    features = _mel_features()
    features["_target_"] = "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor"
    features["features"] = features.pop("nfilt")
    return {**features, "window_size": False, "window_stride": False, "pad_to": 1, "pad_value": 0}
