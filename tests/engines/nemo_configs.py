"""Configurations of NeMo models of any size, tiny ones for tests and the published ones.

What sizes do not change is here; the keys are those of NeMo's own recipes
(``examples/tts/conf/fastpitch_align_v1.05.yaml``, ``examples/tts/conf/hifigan``,
``examples/asr/conf/fastconformer/fast-conformer_transducer_bpe.yaml``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

TTS_RATE = 22_050
DURATIONS = [0, 1, 2, 3, 4]
"""Frames of 80 ms that a TDT decoder may go on by."""
_PREDICTOR = "nemo.collections.tts.modules.fastpitch.TemporalPredictor"


def fastpitch(
    *,
    width: int,
    layers: int,
    head: int,
    inner: int,
    predictor_filters: int,
    predictor_layers: int,
    frames_per_token: tuple[int, int],
    speakers: int = 1,
) -> dict[str, Any]:
    """FastPitch with an aligner for English characters.

    Args:
        width: of the model.
        layers: of the encoder, and of the decoder.
        head: width of the one attention head.
        inner: width of the feed-forward parts.
        predictor_filters: width of the predictors of pitch and duration.
        predictor_layers: their layers.
        frames_per_token: fewest and most.
        speakers: more than one gives an embedding of speakers.
    """
    fft = {"n_layer": layers, "n_head": 1, "d_model": width, "d_head": head, "d_inner": inner}
    fft |= {"kernel_size": 3, "dropout": 0.1, "dropatt": 0.1, "dropemb": 0.0}
    predictor = {"_target_": _PREDICTOR, "input_size": width, "kernel_size": 3, "dropout": 0.1}
    predictor |= {"filter_size": predictor_filters, "n_layers": predictor_layers}
    return {
        "learn_alignment": True,
        "n_speakers": speakers,
        "min_token_duration": frames_per_token[0],
        "max_token_duration": frames_per_token[1],
        "symbols_embedding_dim": width,
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
            "d_embed": width,
        },
        "output_fft": {
            "_target_": "nemo.collections.tts.modules.transformer.FFTransformerDecoder",
            **fft,
        },
        "alignment_module": {
            "_target_": "nemo.collections.tts.modules.aligner.AlignmentEncoder",
            "n_text_channels": width,
        },
        "duration_predictor": predictor,
        "pitch_predictor": dict(predictor),
    }


def hifigan(*, channels: int, kernels: Sequence[int]) -> dict[str, Any]:
    """HiFiGAN's first generator with ``channels`` before its first upsampling.

    Args:
        channels: 512 in the published one.
        kernels: of the residual blocks.
    """
    return {
        "preprocessor": _mel_features(),
        "generator": {
            "_target_": "nemo.collections.tts.modules.hifigan_modules.Generator",
            "resblock": 1,
            "upsample_rates": [8, 8, 2, 2],
            "upsample_kernel_sizes": [16, 16, 4, 4],
            "upsample_initial_channel": channels,
            "resblock_kernel_sizes": list(kernels),
            "resblock_dilation_sizes": [[1, 3, 5]] * len(kernels),
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


def parakeet(
    tokenizer: Path,
    *,
    width: int,
    layers: int,
    heads: int,
    expansion: int,
    subsampling_channels: int,
    convolution: int,
    hidden: int,
    rnn_layers: int,
    features: int = 80,
) -> dict[str, Any]:
    """A FastConformer encoder with a token-and-duration transducer.

    Args:
        tokenizer: folder made by :func:`train_tokenizer`.
        width: of the encoder.
        layers: of the encoder.
        heads: of its attention.
        expansion: of its feed-forward parts.
        subsampling_channels: of the convolutions that make 80 ms frames of 10 ms ones.
        convolution: kernel in each layer, frames.
        hidden: width of the prediction network and of the joint one.
        rnn_layers: of the prediction network.
        features: mel channels.
    """
    return {
        "sample_rate": 16_000,
        "tokenizer": {"dir": str(tokenizer), "type": "bpe"},
        "preprocessor": {
            "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
            "sample_rate": 16_000,
            "normalize": "per_feature",
            "window_size": 0.025,
            "window_stride": 0.01,
            "window": "hann",
            "features": features,
            "n_fft": 512,
            "dither": 0.0,
            "pad_to": 0,
        },
        "encoder": {
            "_target_": "nemo.collections.asr.modules.ConformerEncoder",
            "feat_in": features,
            "feat_out": -1,
            "n_layers": layers,
            "d_model": width,
            "subsampling": "dw_striding",
            "subsampling_factor": 8,
            "subsampling_conv_channels": subsampling_channels,
            "causal_downsampling": False,
            "ff_expansion_factor": expansion,
            "self_attention_model": "rel_pos",
            "n_heads": heads,
            "pos_emb_max_len": 5000,
            "att_context_size": [-1, -1],
            "conv_kernel_size": convolution,
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
            "prednet": {"pred_hidden": hidden, "pred_rnn_layers": rnn_layers, "dropout": 0.0},
        },
        "joint": {
            "_target_": "nemo.collections.asr.modules.RNNTJoint",
            "log_softmax": None,
            "preserve_memory": False,
            "fuse_loss_wer": False,
            "num_extra_outputs": len(DURATIONS),
            "jointnet": {"joint_hidden": hidden, "activation": "relu", "dropout": 0.0},
        },
        "decoding": {
            "strategy": "greedy_batch",
            "model_type": "tdt",
            "durations": DURATIONS,
            "greedy": {"max_symbols": 5},
        },
        "loss": {"loss_name": "tdt", "tdt_kwargs": {"durations": DURATIONS}},
        "model_defaults": {
            "tdt_durations": DURATIONS,
            "num_tdt_durations": len(DURATIONS),
            "enc_hidden": width,
            "pred_hidden": hidden,
            "joint_hidden": hidden,
        },
        "validation_ds": {"defer_setup": True, "use_start_end_token": False},
        "optim": {"name": "adamw", "lr": 1e-3},
    }


def train_tokenizer(folder: Path, sentences: Iterable[str], size: int) -> list[str]:
    """A sentencepiece tokenizer in ``folder`` as NeMo expects it, of at most ``size`` pieces.

    Returns:
        Its pieces, in the order of their ids.
    """
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=size,
        hard_vocab_limit=False,
        model_type="unigram",
        bos_id=-1,
        eos_id=-1,
        minloglevel=2,
    )
    lines = (folder / "tokenizer.vocab").read_text("utf-8").splitlines()
    pieces = [line.split("\t")[0] for line in lines]
    (folder / "vocab.txt").write_text("\n".join(pieces), "utf-8")
    return pieces


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
