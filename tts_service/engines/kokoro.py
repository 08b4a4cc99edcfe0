"""Kokoro-82M (int8 ONNX): 54 voices in nine languages and accents, in one model of 92 MB."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shared.audio.pcm import Float32
from shared.cache.embeddings import EmbeddingCache
from shared.cache.memory import MemoryCache
from shared.core.errors import MeshError, ModelDamaged, NotReady
from shared.engines.registry import EngineSpec
from shared.models.packages.manifest import manifest_of
from shared.models.records import read_record
from tts_service.engines.base import (
    EngineVoice,
    Gender,
    PreparedVoice,
    Reference,
    SynthesisRequest,
)
from tts_service.engines.length_limit import split_to_length
from tts_service.engines.onnx_session import CompactSession
from tts_service.engines.waveform_base import WaveformEngine
from tts_service.sound.loudness import gain_for, integrated_lufs
from tts_service.text.language_tags import base

if TYPE_CHECKING:
    from tts_service.settings import TtsSettings
    from tts_service.voices.matching import VoiceMatcher

log = logging.getLogger(__name__)

_STYLE_ROWS = 510
_STYLE_WIDTH = 256
_LANGUAGE_OF_PREFIX: Mapping[str, str] = {
    "a": "en-us", "b": "en-gb", "e": "es", "f": "fr", "h": "hi", "i": "it", "j": "ja",
    "p": "pt-br", "z": "zh",
}  # fmt: skip
_DEFAULTS = (
    "af_heart", "bf_emma", "ef_dora", "ff_siwis", "hf_alpha", "if_sara", "jf_alpha", "pf_dora",
    "zf_xiaoxiao",
)  # fmt: skip
"""Default voice of each language; the best-graded one where the model's card has grades."""

_WARM_UP_PHONEMES = "həlˈO, ðɪs ɪz ɐ tˈɛst."
_CALIBRATION_PHONEMES = (
    "ðə kwˈɪk bɹˈWn fˈɑks ʤˈʌmps ˈOvəɹ ðə lˈAzi dˈɔɡ, ænd ˈɛvɹibˌɑdi wˈɑʧᵻz ɪt ɹˈʌn əwˈA."
)


def build(settings: TtsSettings) -> KokoroEngine:
    """Return the engine for the settings."""
    from tts_service.voices.voice_cache import open_voice_cache

    return KokoroEngine(settings.home, settings.threads, voice_cache=open_voice_cache(settings))


class KokoroEngine(WaveformEngine):
    """An engine for Kokoro on onnxruntime, with a style per voice and a G2P per language.

    Args:
        home: folder of prepared models and caches.
        threads: processor threads of one inference.
        voice_cache: cache of matched voices; without one they are not kept.
    """

    def __init__(
        self,
        home: Path,
        threads: int,
        voice_cache: EmbeddingCache | None = None,
    ) -> None:
        self._home = home
        self._threads = threads
        # The session is thread-safe; more runs at once would only slow each other down.
        self._turn = threading.Lock()
        self._session: CompactSession | None = None
        self._vocabulary: dict[str, int] = {}
        self._styles: dict[str, NDArray[np.float32]] = {}
        self._voices: tuple[EngineVoice, ...] = ()
        self._lufs: dict[str, float] = {}
        self._digests: dict[str, str] = {}
        self._voice_cache = voice_cache or EmbeddingCache(MemoryCache(0))
        self._matcher: VoiceMatcher | None = None
        self._matcher_lock = threading.Lock()

    @property
    def spec(self) -> EngineSpec:
        """Declared capabilities; its languages are those whose G2P is installed."""
        from tts_service.text.g2p import available_languages

        # The G2P lists a language without region where it treats all its regions alike.
        known = frozenset(available_languages())
        spoken = frozenset(
            tag for tag in _LANGUAGE_OF_PREFIX.values() if tag in known or base(tag) in known
        )
        return EngineSpec(
            name="kokoro",
            model="Kokoro-82M v1.0 int8",
            licence="Apache-2.0",
            commercial_use=True,
            languages=spoken,
            parameters=frozenset({"speed"}),
            cloning="matching",
            max_concurrency=4,
        )

    def language_hints(self) -> Mapping[str, str]:
        """Return installation hints for the voices' languages whose G2P is missing."""
        from tts_service.text.g2p import phonemize

        hints = {}
        for tag in sorted(frozenset(_LANGUAGE_OF_PREFIX.values()) - self.spec.languages):
            try:
                phonemize("a", tag)
            except MeshError as error:
                hints[tag] = error.message
        return hints

    def load(self) -> None:
        """Open the model and memory-map the styles.

        Raises:
            NotReady: the model is not prepared.
            ModelDamaged: a file has invalid content.
        """
        from shared.models import locate

        folder = locate("kokoro", self._home)
        styles = locate("kokoro-voices", self._home)
        self._digests = _digests(folder) | _digests(styles)
        self._styles = _read_styles(styles)
        self._vocabulary = _read_vocabulary(folder / "vocab.json")
        table = resources.files("tts_service.engines").joinpath("kokoro_loudness.json")
        self._lufs = json.loads(table.read_text(encoding="utf-8"))["lufs"]
        self._session = CompactSession(folder / "model.onnx", self._threads)
        self._voices = _catalogue(self._styles, self.spec.languages)

    def warm_up(self) -> None:
        """Run one inference, and the G2P of each language on one word."""
        from tts_service.text.g2p import phonemize

        self._infer(_WARM_UP_PHONEMES, self._styles[_DEFAULTS[0]], 1.0)
        for language in sorted(self.spec.languages):
            phonemize("a", language)

    def close(self) -> None:
        """Free the session and the styles."""
        self._session = None
        self._matcher = None
        self._voice_cache.close()
        self._styles.clear()

    def voices(self) -> Sequence[EngineVoice]:
        """Return the voices of the available languages; each can speak all of these languages."""
        return self._voices

    def prepare(self, reference: Reference) -> PreparedVoice:
        """Mix the built-in styles to match the reference (:mod:`tts_service.voices.matching`)."""
        with self._matcher_lock:
            if self._matcher is None:
                self._matcher = self._build_matcher()
        matched = self._matcher.match(reference.audio)
        if matched.id not in self._lufs:
            self._lufs[matched.id] = integrated_lufs(*self.calibration_speech(matched.style))
        return PreparedVoice(matched.id, "matching", matched.style, matched.similarity)

    def fingerprint(self) -> Mapping[str, object]:
        """Return the digests of model and styles, and the version of the matching algorithm."""
        from tts_service.voices.matching.matcher import VERSION

        return {"files": self._digests, "matching": VERSION}

    def style_names(self) -> list[str]:
        """Return all voices with a style, including those whose language is not available."""
        return sorted(self._styles)

    def measure(self, voice: str) -> float:
        """Measure the loudness of a voice without gain on the calibration sentence, LUFS."""
        return integrated_lufs(*self.calibration_speech(self._styles[voice]))

    def style(self, voice: str) -> NDArray[np.float32]:
        """Return the style of a built-in voice, shape ``(510, 256)``."""
        return self._styles[voice]

    def calibration_speech(self, style: NDArray[np.float32]) -> tuple[Float32, int]:
        """Synthesise the calibration sentence without gain; return audio and sample rate (Hz)."""
        return self._infer(_CALIBRATION_PHONEMES, style, 1.0), self.spec.sample_rate

    def _build_matcher(self) -> VoiceMatcher:
        from shared.models import locate
        from tts_service.voices.matching import VoiceMatcher
        from tts_service.voices.matching.speaker_encoder import SpeakerEncoder

        encoder = SpeakerEncoder.load(locate("resemblyzer", self._home))
        return VoiceMatcher(self._styles, encoder, self._voice_cache, self.calibration_speech)

    def _gain(self, request: SynthesisRequest) -> float:
        voice = request.prepared.id if request.prepared is not None else request.voice.id
        if voice not in self._lufs:
            self._lufs[voice] = self.measure(voice)
        return gain_for(self._lufs[voice])

    def _render(self, text: str, request: SynthesisRequest, speed: float) -> Iterator[Float32]:
        from tts_service.text.g2p import phonemize

        style = (
            request.prepared.data
            if request.prepared is not None
            else self._styles[request.voice.id]
        )
        known = "".join(c for c in phonemize(text, request.language) if c in self._vocabulary)
        for part in split_to_length(known):
            yield self._infer(part, style, speed)

    def _infer(self, phonemes: str, style: NDArray[np.float32], speed: float) -> Float32:
        tokens = [self._vocabulary[character] for character in phonemes]
        inputs = {
            "tokens": np.asarray([[0, *tokens, 0]], np.int64),
            "style": np.asarray(style[min(len(tokens), _STYLE_ROWS - 1)], np.float32)[None, :],
            "speed": np.asarray([speed], np.float32),
        }
        session = self._session
        if session is None:
            raise NotReady("kokoro is not loaded")
        with self._turn:
            audio = session.run(None, inputs)[0]
        return np.asarray(audio, np.float32).reshape(-1)


def _digests(folder: Path) -> dict[str, str]:
    files = read_record(manifest_of(folder)).get("files", {})
    return {name: str(facts.get("sha256")) for name, facts in files.items()}


def _read_styles(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Memory-map the styles: ``{voice: (510, 256) float32}``."""
    styles: dict[str, NDArray[np.float32]] = {}
    for path in sorted(folder.glob("*.bin")):
        if path.stat().st_size != _STYLE_ROWS * _STYLE_WIDTH * 4:
            raise ModelDamaged(f"voice style '{path.stem}' has the wrong size: run mesh download")
        styles[path.stem] = np.memmap(path, np.float32, "r", shape=(_STYLE_ROWS, _STYLE_WIDTH))
    if _DEFAULTS[0] not in styles:
        raise ModelDamaged("the folder of voice styles is incomplete: run mesh download")
    return styles


def _read_vocabulary(path: Path) -> dict[str, int]:
    """Read the map of phoneme characters to token ids, with or without a ``vocab`` key."""
    content = json.loads(path.read_text(encoding="utf-8"))
    table = content.get("vocab", content)
    return {str(character): int(token) for character, token in table.items()}


def _catalogue(
    styles: Mapping[str, NDArray[np.float32]], spoken: frozenset[str]
) -> tuple[EngineVoice, ...]:
    """Return the voices whose own language is available; defaults first, then by name."""
    first = [name for name in _DEFAULTS if name in styles]
    names = first + sorted(set(styles) - set(first))
    voices = []
    for name in names:
        tag = _LANGUAGE_OF_PREFIX.get(name[0])
        if tag in spoken:
            gender: Gender = "female" if name[1] == "f" else "male"
            voices.append(EngineVoice(name, tag, spoken, gender))
    return tuple(voices)
