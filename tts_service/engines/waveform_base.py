"""Base class of engines whose model turns one stretch of text into one whole waveform."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterable, Iterator

import numpy as np

from shared.audio.pcm import Float32
from shared.core.errors import EngineFailure
from tts_service.engines.base import SynthesisRequest
from tts_service.engines.utterance_base import UtteranceEngine
from tts_service.sound.joins import fade
from tts_service.sound.tempo import stretch
from tts_service.sound.trimming import trim


class WaveformEngine(UtteranceEngine):
    """Trims, stretches and fades the waveforms of :meth:`_render`."""

    @abstractmethod
    def _render(self, text: str, request: SynthesisRequest, speed: float) -> Iterator[Float32]:
        """Yield waveforms of ``text`` at ``spec.sample_rate``, one per run of the model.

        ``speed`` lies within :attr:`native_speed`; ``request.speed`` may not. A text with nothing
        to say yields nothing.
        """

    def _utterances(
        self, text: str, request: SynthesisRequest, speed: float, factor: float
    ) -> Generator[Iterable[Float32], None, None]:
        """See :class:`UtteranceEngine`."""
        rate = self.spec.sample_rate
        for waveform in self._render(text, request, speed):
            if not np.isfinite(waveform).all():
                raise EngineFailure(f"{self.spec.name}: the model returned invalid samples")
            body = trim(waveform, rate)
            if body.size:
                yield (fade(stretch(body, rate, factor), rate),)
