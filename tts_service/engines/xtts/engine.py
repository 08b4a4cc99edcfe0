"""Coqui XTTS-v2: streamed speech in seventeen languages, with voice cloning.

The model samples its speech token by token and decodes what it has every twenty tokens. It is not
thread-safe, so one caller at a time uses it, for the whole of a stream.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.audio.pcm import Float32
from shared.cache.base import cache_key
from shared.cache.embeddings import EmbeddingCache
from shared.core.errors import EngineFailure, InvalidRequest, NotReady
from shared.engines.device import free_cached_memory, resolve_torch_device
from shared.engines.model_errors import as_mesh_errors
from shared.engines.registry import EngineSpec
from tts_service.engines.base import (
    EngineVoice,
    PreparedVoice,
    Reference,
    SynthesisRequest,
)
from tts_service.engines.utterance_base import UtteranceEngine
from tts_service.engines.xtts.text import LANGUAGES, parts_of
from tts_service.engines.xtts.voice import Latents, conditioning_audio
from tts_service.sound.joins import fade_chunks
from tts_service.sound.loudness import CALIBRATION, gain_for, integrated_lufs
from tts_service.sound.tempo import stretch
from tts_service.sound.trimming import trimmed
from tts_service.text.language_tags import base

if TYPE_CHECKING:
    from tts_service.settings import TtsSettings

_SEED = 0
"""Seed of the sampling of every part, so that the same request gives the same audio."""
_STREAM_TOKENS = 20
_OVERLAP_SAMPLES = 1024
"""Tokens per chunk and samples of cross-fade: coqui's defaults for ``inference_stream``."""
_SAMPLING: Mapping[str, float] = {
    "temperature": 0.75,
    "length_penalty": 1.0,
    "repetition_penalty": 10.0,
    "top_k": 50,
    "top_p": 0.85,
}
"""Coqui's defaults for XTTS-v2 (``Xtts.inference_stream``)."""
_LATENT_SECONDS = 12
_LATENT_CHUNK_SECONDS = 4
_CLONE = "reference"
"""Voice id of a model without built-in speakers; usable with a sample only."""


def build(settings: TtsSettings) -> XttsEngine:
    """Build the engine; the registry calls this."""
    from tts_service.voices.voice_cache import open_voice_cache

    return XttsEngine(settings, open_voice_cache(settings))


class XttsEngine(UtteranceEngine):
    """XTTS-v2 behind a lock.

    Args:
        settings: model, device, and acceptance of the licence.
        cache: keeps the latents of reference recordings.
    """

    native_speed = (0.5, 2.0)
    split_pause_s = 0.0

    def __init__(self, settings: TtsSettings, cache: EmbeddingCache) -> None:
        self._settings = settings
        self._cache = cache
        self._model: Any = None
        self._weights: dict[str, str] = {}
        self._speakers: dict[str, str] = {}
        self._gains: dict[str, float] = {}
        # Not reentrant, and released by whichever thread closes the stream.
        self._lock = threading.Lock()
        languages = frozenset(
            tag for tag, needs in LANGUAGES.items() if needs is None or find_spec(needs)
        )
        self._spec = EngineSpec(
            name="xtts",
            model=settings.xtts_model.rsplit("/", 1)[-1],
            licence="CPML",
            commercial_use=False,
            languages=languages,
            parameters=frozenset({"speed", *_SAMPLING}),
            cloning="cloning",
            max_concurrency=1,
            sample_rate=24_000,
        )

    @property
    def spec(self) -> EngineSpec:
        """See :class:`TtsEngine`."""
        return self._spec

    def language_hints(self) -> Mapping[str, str]:
        """Return the languages whose script needs a further package, with its install command."""
        return {
            tag: f"pip install 'coqui-tts[{base(tag)}]'"
            for tag, needs in LANGUAGES.items()
            if needs is not None and tag not in self._spec.languages
        }

    def load(self) -> None:
        """Load the checkpoint onto ``TTS_DEVICE``.

        Raises:
            NotReady: the licence was not accepted, or the device or the files are missing.
            ModelDamaged: the files cannot be read.
        """
        self.device = resolve_torch_device(self._settings.tts_device)
        from tts_service.engines.xtts.model import load_model, speaker_names, weights_of

        self._model = load_model(self._settings, self.device)
        self._weights = weights_of(self._settings)
        self._speakers = {_slug(name): name for name in speaker_names(self._model)}

    def warm_up(self) -> None:
        """Speak the calibration sentence once.

        Without built-in speakers the voice is cloned from a second of noise.
        """
        if self._speakers:
            first = next(iter(self._speakers))
            self._level(first, self._built_in(first))
            return
        noise = np.random.default_rng(0).normal(0, 0.1, 22_050).astype(np.float32)
        with self._lock:
            latents = self._condition(noise)
            for _ in self._speak("This is a test.", "en", latents, 1.0, {}):
                pass

    def close(self) -> None:
        """Free the model after the utterance at work."""
        with self._lock:
            if self._model is not None:
                self._model = None
                free_cached_memory(self.device)
        self._cache.close()

    def fingerprint(self) -> Mapping[str, object]:
        """Return the checkpoint's identity and the sampling's seed."""
        return {"weights": self._weights, "seed": _SEED}

    def voices(self) -> Sequence[EngineVoice]:
        """Return the checkpoint's speakers; each speaks every language."""
        every = self._spec.languages
        return tuple(EngineVoice(name, "en", every) for name in self._speakers or (_CLONE,))

    def prepare(self, reference: Reference) -> PreparedVoice:
        """Compute the latents of the recording, and the gain of its voice.

        Raises:
            InvalidRequest: the recording has less than a second of sound.
            UnsupportedMedia, TooLarge: it cannot be decoded, or is longer than ten minutes.
            Overloaded: the GPU is full.
        """
        key = cache_key(engine="xtts", version=1, weights=self._weights, audio=reference.audio)
        stored = self._cache.get(key)
        latents = Latents.of(stored) if stored is not None else None
        if latents is None:
            audio = conditioning_audio(reference.audio)
            with self._lock:
                latents = self._condition(audio)
                latents.gain = self._calibrate(latents)
            self._cache.put(key, latents.arrays())
        return PreparedVoice(f"clone-{key[:12]}", "cloning", latents)

    def _utterances(
        self, text: str, request: SynthesisRequest, speed: float, factor: float
    ) -> Generator[Iterable[Float32], None, None]:
        rate, language = self._spec.sample_rate, base(request.language)
        latents = self._latents(request)
        for part in parts_of(text, language, self._count_tokens):
            with closing(self._part(part, language, latents, speed, request.parameters)) as sound:
                yield _stretched(fade_chunks(trimmed(sound, rate), rate), rate, factor)

    def _gain(self, request: SynthesisRequest) -> float:
        latents = self._latents(request)
        return latents.gain if request.prepared else self._level(request.voice.id, latents)

    def _latents(self, request: SynthesisRequest) -> Latents:
        if request.prepared is not None:
            prepared: Latents = request.prepared.data
            return prepared
        if request.voice.id not in self._speakers:
            raise InvalidRequest(
                "this model has no speakers of its own; send a sample of a voice",
                param="voice_sample",
            )
        return self._built_in(request.voice.id)

    def _built_in(self, voice: str) -> Latents:
        found = self._model.speaker_manager.speakers[self._speakers[voice]]
        return Latents(found["gpt_cond_latent"].numpy(), found["speaker_embedding"].numpy())

    def _level(self, voice: str, latents: Latents) -> float:
        if voice not in self._gains:
            with self._lock:
                self._gains[voice] = self._calibrate(latents)
        return self._gains[voice]

    def _calibrate(self, latents: Latents) -> float:
        """Return the gain of a voice, measured on its own speech. The lock is held."""
        chunks = list(self._speak(CALIBRATION, "en", latents, 1.0, {}))
        if not chunks:
            return 1.0
        return gain_for(integrated_lufs(np.concatenate(chunks), self._spec.sample_rate))

    def _count_tokens(self, text: str, language: str) -> int:
        return len(self._model.tokenizer.encode(text.lower(), lang=language))

    def _part(
        self,
        text: str,
        language: str,
        latents: Latents,
        speed: float,
        parameters: Mapping[str, Any],
    ) -> Generator[Float32, None, None]:
        """Run the model once, under its lock from the first token to the last."""
        with self._lock:
            if self._model is None:
                raise NotReady("xtts is stopping")
            yield from self._speak(text, language, latents, speed, parameters)

    def _speak(
        self,
        text: str,
        language: str,
        latents: Latents,
        speed: float,
        parameters: Mapping[str, Any],
    ) -> Generator[Float32, None, None]:
        import torch

        sampling = {name: parameters.get(name) or value for name, value in _SAMPLING.items()}
        torch.manual_seed(_SEED)
        with self._faults("this text"):
            stream = self._model.inference_stream(
                text,
                language,
                torch.from_numpy(latents.gpt),
                torch.from_numpy(latents.speaker),
                stream_chunk_size=_STREAM_TOKENS,
                overlap_wav_len=_OVERLAP_SAMPLES,
                speed=speed,
                **sampling,
            )
            with closing(stream):
                for chunk in stream:
                    samples = chunk.float().cpu().numpy().reshape(-1)
                    if not np.isfinite(samples).all():
                        raise EngineFailure("xtts: the model returned invalid samples")
                    if samples.size:
                        yield samples

    def _condition(self, audio: Float32) -> Latents:
        """Compute the latents of a recording at 22.05 kHz. The lock is held."""
        import torch

        rate = 22_050
        wave = torch.from_numpy(audio)[None, :].to(self.device)
        with self._faults("this sample"):
            gpt = self._model.get_gpt_cond_latents(
                wave, rate, length=_LATENT_SECONDS, chunk_length=_LATENT_CHUNK_SECONDS
            )
            speaker = self._model.get_speaker_embedding(wave, rate)
        return Latents(gpt.float().cpu().numpy(), speaker.float().cpu().numpy())

    def _faults(self, on: str) -> AbstractContextManager[None]:
        """Turn the library's exceptions into errors of the mesh."""
        return as_mesh_errors("xtts", self.device, on)


def _slug(name: str) -> str:
    """Turn a speaker's name into a voice id: ``Claribel Dervla`` → ``claribel-dervla``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _stretched(chunks: Iterator[Float32], rate: int, factor: float) -> Iterator[Float32]:
    """Yield ``chunks`` at ``factor`` times their speed; near 1 they pass unchanged."""
    if abs(factor - 1.0) < 0.01:
        yield from chunks
        return
    whole = list(chunks)
    if whole:
        yield stretch(np.concatenate(whole), rate, factor)
