"""NVIDIA NeMo: FastPitch mel spectrograms and the HiFiGAN vocoder.

Sentences of concurrent requests are batched in both models (:mod:`shared.engines.batching`). NeMo's
``generate_spectrogram`` takes one pace per call and no pitch, so the module's ``infer`` is used,
which takes both per item. The text is already normalised. NeMo's own text normaliser, which needs
about 40 s of processor time at its first use, is not used.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.audio.pcm import Float32
from shared.core.errors import NotReady
from shared.engines.batching import Batcher, Limits
from shared.engines.device import resolve_torch_device
from shared.engines.model_errors import out_of_memory_as_error
from shared.engines.registry import EngineSpec
from shared.models.hub.catalogue import licence_of
from tts_service.engines.base import EngineVoice, SynthesisRequest
from tts_service.engines.length_limit import split_to_length
from tts_service.engines.waveform_base import WaveformEngine
from tts_service.sound.loudness import CALIBRATION, gain_for, integrated_lufs

if TYPE_CHECKING:
    from tts_service.settings import TtsSettings

log = logging.getLogger(__name__)

_LONGEST_CHARS = 400
"""Maximum text length: FastPitch's attention grows with the square of it; sentences are shorter."""
_PADDED_TOKENS = 16_000
"""Batch limit: 32 sentences of 500 tokens, for which HiFiGAN's activations take some gigabytes."""
_DEFAULT_SPEAKER = "ljspeech"
_LJSPEECH_PITCH = (212.35, 68.52)
"""Mean and standard deviation of LJSpeech's pitch, Hz.

NeMo's English recipe normalises pitch by them (``examples/tts/conf/fastpitch_align_v1.05.yaml``).
They are used for models whose configuration has none.
"""


@dataclass(frozen=True, slots=True)
class _Sentence:
    """One item of a batch: token ids, pace, pitch and speaker."""

    tokens: tuple[int, ...]
    pace: float
    pitch: float
    speaker: int


def build(settings: TtsSettings) -> NemoEngine:
    """Return the engine for the settings."""
    return NemoEngine(settings)


class NemoEngine(WaveformEngine):
    """An engine for FastPitch and HiFiGAN from two ``.nemo`` archives or names on the hub."""

    native_speed = (0.5, 2.0)

    def __init__(self, settings: TtsSettings) -> None:
        self._settings = settings
        self._names = (settings.nemo_tts_spectrogram, settings.nemo_tts_vocoder)
        self._licence, self._commercial_use = licence_of(*self._names)
        self._spectrogram: Any = None
        self._vocoder: Any = None
        self._batcher: Batcher[_Sentence, Float32] | None = None
        self._sayable: frozenset[int] = frozenset()
        self._weights: list[dict[str, str]] = []
        self._padding = 0
        self._hop = 256
        self._semitones: tuple[float, float] = _LJSPEECH_PITCH
        self._gains: dict[str, float] = {}
        self._voices: tuple[EngineVoice, ...] = ()
        self._rate = 22_050

    @property
    def spec(self) -> EngineSpec:
        """Declared capabilities; after loading, with the model's sample rate."""
        return EngineSpec(
            name="nemo",
            model=" + ".join(self._names),
            licence=self._licence,
            commercial_use=self._commercial_use,
            languages=frozenset({self._settings.nemo_tts_language}),
            parameters=frozenset({"speed", "pitch"}),
            # Admission lets two batches in: one runs while the next one fills.
            max_concurrency=2 * self._settings.batch_items,
            sample_rate=self._rate,
        )

    def load(self) -> None:
        """Load both archives onto ``TTS_DEVICE``.

        Raises:
            NotReady: the device or an archive is not available.
        """
        self.device = resolve_torch_device(self._settings.tts_device)
        from nemo.collections.tts.models import FastPitchModel, HifiGanModel

        from shared.models.hub.nemo_archive import archive_of, restore
        from shared.models.identity import identity_of

        settings, home = self._settings, self._settings.home
        self._weights = [identity_of(archive_of(name, home)) for name in self._names]
        spectrogram = restore(FastPitchModel, settings.nemo_tts_spectrogram, self.device, home)
        vocoder = restore(HifiGanModel, settings.nemo_tts_vocoder, self.device, home)
        # The discriminators are used only in training and are most of the archive.
        vocoder.mpd = vocoder.msd = None
        # Weight normalisation is also used only in training and costs time in every call.
        vocoder.generator.remove_weight_norm()
        self._adopt(spectrogram, vocoder)
        self._batcher = Batcher(
            "nemo",
            self._run,
            limits=Limits(
                self._settings.batch_items, _PADDED_TOKENS, self._settings.batch_patience_ms / 1000
            ),
            queue_limit=self._settings.queue_limit + 2 * self._settings.batch_items,
            queue_timeout_s=self._settings.queue_timeout_s,
        )

    def fingerprint(self) -> Mapping[str, object]:
        """Return the identities of the archives."""
        return {"weights": self._weights}

    def warm_up(self) -> None:
        """Synthesise the calibration sentence with each voice and measure its loudness."""
        for speaker, voice in enumerate(self._voices):
            audio = self._say(CALIBRATION, 1.0, 0.0, speaker, caller="warm-up")
            if audio.size == 0:
                raise NotReady("the model's tokenizer does not know the calibration sentence")
            lufs = integrated_lufs(audio, self._rate)
            self._gains[voice.id] = gain_for(lufs)
            log.info("voice measured", extra={"voice": voice.id, "lufs": round(lufs, 2)})

    def close(self) -> None:
        """Stop the batcher and free the models."""
        if self._batcher is not None:
            self._batcher.close()
        self._batcher = self._spectrogram = self._vocoder = None

    def voices(self) -> Sequence[EngineVoice]:
        """Return one voice per speaker of the model."""
        return self._voices

    def _gain(self, request: SynthesisRequest) -> float:
        return self._gains[request.voice.id]

    def _render(self, text: str, request: SynthesisRequest, speed: float) -> Iterator[Float32]:
        speaker = [voice.id for voice in self._voices].index(request.voice.id)
        pitch = float(request.parameters.get("pitch") or 0.0)
        for part in split_to_length(text, _LONGEST_CHARS):
            audio = self._say(part, speed, pitch, speaker, caller=id(request))
            if audio.size:
                yield audio

    def _adopt(self, spectrogram: Any, vocoder: Any) -> None:
        self._spectrogram, self._vocoder = spectrogram, vocoder
        config = spectrogram.cfg
        self._rate = int(config.get("sample_rate") or config.preprocessor.sample_rate)
        self._hop = int(config.get("n_window_stride") or config.preprocessor.n_window_stride)
        self._padding = int(spectrogram.fastpitch.encoder.padding_idx)
        self._semitones = (
            float(config.get("pitch_mean") or _LJSPEECH_PITCH[0]),
            float(config.get("pitch_std") or _LJSPEECH_PITCH[1]),
        )
        vocabulary = getattr(spectrogram, "vocab", None)
        _say_all_known_words(vocabulary)
        names = list(vocabulary.tokens) if vocabulary is not None else list(config.labels)
        special = {f"<{word}>" for word in ("pad", "blank", "oov")}
        self._sayable = frozenset(
            number
            for number, name in enumerate(names)
            if name not in special and any(character.isalpha() for character in str(name))
        )
        tag = self._settings.nemo_tts_language
        count = int(config.get("n_speakers") or 1)
        ids = [f"speaker-{number}" for number in range(count)] if count > 1 else [_DEFAULT_SPEAKER]
        self._voices = tuple(EngineVoice(voice, tag, frozenset({tag})) for voice in ids)

    def _say(
        self, text: str, pace: float, semitones: float, speaker: int, *, caller: object
    ) -> Float32:
        """Return the waveform of ``text``; empty where the model has no tokens for it."""
        if self._batcher is None:
            raise NotReady("nemo is not loaded")
        tokens = tuple(self._spectrogram.parse(text, normalize=False)[0].tolist())
        if not self._sayable.intersection(tokens):
            return np.zeros(0, np.float32)
        mean, deviation = self._semitones
        # Pitch is in deviations from the speaker's mean; the shift is exact at that mean.
        shift = mean * (2 ** (semitones / 12) - 1) / deviation
        sentence = _Sentence(tokens, pace, shift, speaker)
        return self._batcher.submit(sentence, length=len(tokens), caller=caller)

    def _run(self, batch: list[_Sentence]) -> list[Float32]:
        """Return the waveforms of a batch, each cut to its own length.

        Raises:
            OutOfMemory: the batch does not fit in the device's memory.
        """
        import torch

        longest = max(len(sentence.tokens) for sentence in batch)
        ids = torch.full((len(batch), longest), self._padding, dtype=torch.long)
        for row, sentence in enumerate(batch):
            ids[row, : len(sentence.tokens)] = torch.tensor(sentence.tokens)
        column = {"dtype": torch.float32, "device": self.device}
        speakers = torch.tensor([s.speaker for s in batch], device=self.device)
        with out_of_memory_as_error(self.device), torch.inference_mode():
            mel, frames, *_ = self._spectrogram.fastpitch.infer(
                text=ids.to(self.device),
                pace=torch.tensor([[s.pace] for s in batch], **column),
                pitch=torch.tensor([[s.pitch] for s in batch], **column),
                speaker=speakers if len(self._voices) > 1 else None,
            )
            # Frames after the end of a sentence are padding: they are set to zero, which the
            # vocoder also reads beyond the end of a single spectrogram.
            kept = torch.arange(mel.shape[2], device=mel.device)[None, :] < frames[:, None]
            mel = mel * kept[:, None, :]
            sound = self._vocoder.convert_spectrogram_to_audio(spec=mel).float().cpu().numpy()
        return [
            np.array(wave[: count * self._hop], np.float32)
            for wave, count in zip(sound, frames.tolist(), strict=True)
        ]


def _say_all_known_words(vocabulary: Any) -> None:
    """Make the G2P always use the dictionary for the words in it.

    In training it uses it only for a random share of the words. NeMo's ``parse`` disables this
    while it runs, but on an object that all callers share, so that a call that ends enables it
    again for the others.
    """
    g2p: Any = getattr(vocabulary, "g2p", None)
    if g2p is not None and getattr(g2p, "phoneme_probability", None) is not None:
        vocabulary.phoneme_probability = g2p.phoneme_probability = 1.0
