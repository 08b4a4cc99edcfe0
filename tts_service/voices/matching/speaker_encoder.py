"""Speaker embeddings: Resemblyzer's GE2E encoder (Wan et al. 2018) in NumPy.

The network is a three-layer LSTM over 40 mel bands, a linear layer, a ReLU and L2 normalisation.
Sizes and constants are those of Resemblyzer 0.1.4 (``hparams.py``), and its trained weights are the
model ``resemblyzer``. Silence is trimmed by energy instead of by webrtcvad.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.audio.pcm import Float32

SAMPLE_RATE = 16_000
_FFT = 400
_HOP = 160
_MELS = 40
_WINDOW_FRAMES = 160
"""Frames per window: 1.6 s, the length that the encoder was trained on."""
_STEP_FRAMES = 77
"""Frames between windows: 1.3 windows a second, Resemblyzer's default rate."""
_COVERAGE = 0.75
_LAYERS = 3
_HIDDEN = 256
_TARGET_DBFS = -30.0
_VAD_FRAME = 480
_VAD_DROP_DB = 35.0
"""Level below the loudest frame under which a frame is silence; speech spans about 30 dB."""


def hz_to_mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert Hz to Slaney's mel scale, librosa's default.

    The scale is linear below 1 kHz and logarithmic above.
    """
    linear = hertz / (200.0 / 3)
    logarithmic = 15.0 + np.log(np.maximum(hertz, 1e-9) / 1000.0) / (np.log(6.4) / 27.0)
    return np.where(hertz >= 1000.0, logarithmic, linear)


def mel_to_hz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert mels to Hz; the inverse of :func:`hz_to_mel`."""
    return np.where(
        mels >= 15.0, 1000.0 * np.exp((np.log(6.4) / 27.0) * (mels - 15.0)), mels * (200.0 / 3)
    )


def mel_filters() -> Float32:
    """Return area-normalised triangular filters, shape ``(40, 201)``.

    They are the defaults of librosa's ``filters.mel``.
    """
    top = float(hz_to_mel(np.array([SAMPLE_RATE / 2]))[0])
    edges = mel_to_hz(np.linspace(0.0, top, _MELS + 2))
    bins = np.linspace(0.0, SAMPLE_RATE / 2, _FFT // 2 + 1)
    widths = np.diff(edges)
    slopes = edges[:, None] - bins[None, :]
    rising = -slopes[:-2] / widths[:-1, None]
    falling = slopes[2:] / widths[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None], np.float32)


def spectrogram(samples: Float32, filters: Float32) -> Float32:
    """Compute the mel power spectrogram (no logarithm), shape ``(frames, 40)``, 10 ms per frame."""
    padded = np.pad(samples, _FFT // 2)
    count = 1 + (len(padded) - _FFT) // _HOP
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_HOP][:count]
    # Periodic Hann, as for spectral analysis.
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    return np.asarray(power @ filters.T, np.float32)


def speech_only(samples: Float32) -> Float32:
    """Remove the pauses of a recording and raise it to the level that the encoder expects."""
    level = float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
    if level <= 0:
        return np.zeros(0, np.float32)
    gain = max(1.0, 10 ** ((_TARGET_DBFS - 20 * np.log10(level)) / 20))
    count = len(samples) // _VAD_FRAME
    frames = (samples[: count * _VAD_FRAME] * gain).reshape(count, _VAD_FRAME)
    energy = 10 * np.log10(np.mean(np.square(frames), axis=1) + 1e-12)
    if not count:
        return np.zeros(0, np.float32)
    loud = energy > energy.max() - _VAD_DROP_DB
    # Short pauses inside words are kept: a frame is kept when a frame near it is loud.
    kept = np.convolve(loud, np.ones(7), mode="same") > 0
    return np.asarray(frames[kept].reshape(-1), np.float32)


class SpeakerEncoder:
    """A speaker encoder; immutable after construction and safe to share between threads."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        self._layers = [
            (
                np.ascontiguousarray(weights[f"lstm.weight_ih_l{n}"].T),
                np.ascontiguousarray(weights[f"lstm.weight_hh_l{n}"].T),
                weights[f"lstm.bias_ih_l{n}"] + weights[f"lstm.bias_hh_l{n}"],
            )
            for n in range(_LAYERS)
        ]
        self._linear = np.ascontiguousarray(weights["linear.weight"].T)
        self._bias = weights["linear.bias"]
        self._filters = mel_filters()

    @classmethod
    def load(cls, folder: Path) -> SpeakerEncoder:
        """Load the encoder from the prepared model's folder (``encoder.npz``)."""
        with np.load(folder / "encoder.npz", allow_pickle=False) as stored:
            return cls({name: stored[name] for name in stored.files})

    def embed(self, samples: Float32) -> Float32:
        """Return the embedding of speech, shape ``(256,)``, normalised to length 1.

        Args:
            samples: 16 kHz mono, without long pauses (:func:`speech_only`), n > 0.
        """
        windows = self._windows(samples)
        hidden = windows
        for into, back, bias in self._layers:
            hidden = _lstm(hidden, into, back, bias)
        raw = np.maximum(hidden[:, -1] @ self._linear + self._bias, 0.0)
        partial = raw / np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), 1e-9)
        mean = partial.mean(axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)

    def _windows(self, samples: Float32) -> Float32:
        frames = int(np.ceil((len(samples) + 1) / _HOP))
        starts = list(range(0, max(1, frames - _WINDOW_FRAMES + _STEP_FRAMES + 1), _STEP_FRAMES))
        covered = (len(samples) / _HOP - starts[-1]) / _WINDOW_FRAMES
        if covered < _COVERAGE and len(starts) > 1:
            starts.pop()
        needed = (starts[-1] + _WINDOW_FRAMES) * _HOP
        padded = np.pad(samples, (0, max(0, needed - len(samples))))
        mel = spectrogram(padded, self._filters)
        return np.stack([mel[start : start + _WINDOW_FRAMES] for start in starts])


def _lstm(inputs: Float32, into: Float32, back: Float32, bias: Float32) -> Float32:
    """Run one LSTM layer over ``(batch, time, features)``; gates in PyTorch's order i, f, g, o."""
    batch, steps, _ = inputs.shape
    projected = inputs @ into + bias
    hidden: Float32 = np.zeros((batch, _HIDDEN), np.float32)
    cell: Float32 = np.zeros((batch, _HIDDEN), np.float32)
    out = np.empty((batch, steps, _HIDDEN), np.float32)
    for step in range(steps):
        gates = projected[:, step] + hidden @ back
        # The logistic function in a form that cannot overflow.
        sigmoid = 0.5 + 0.5 * np.tanh(0.5 * gates)
        keep = sigmoid[:, :_HIDDEN]
        forget = sigmoid[:, _HIDDEN : 2 * _HIDDEN]
        emit = sigmoid[:, 3 * _HIDDEN :]
        fresh = np.tanh(gates[:, 2 * _HIDDEN : 3 * _HIDDEN])
        cell = np.asarray(forget * cell + keep * fresh, np.float32)
        hidden = np.asarray(emit * np.tanh(cell), np.float32)
        out[:, step] = hidden
    return out
