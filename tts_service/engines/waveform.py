"""The common part of engines whose model turns one stretch of text into one whole waveform."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterable, Iterator

import numpy as np

from shared.audio.pcm import Float32
from shared.core.errors import EngineFailure
from tts_service.engines.base import SynthesisRequest
from tts_service.engines.utterances import UtteranceEngine
from tts_service.sound.joins import fade, trim
from tts_service.sound.tempo import stretch


class WaveformEngine(UtteranceEngine):
    """Makes utterances of the waveforms of :meth:`_render`: trimmed, stretched, without clicks."""

    @abstractmethod
    def _render(self, text: str, request: SynthesisRequest, speed: float) -> Iterator[Float32]:
        """Waveforms of ``text`` at ``spec.sample_rate``, one per run of the model.

        ``speed`` lies within :attr:`native_speed` (``request.speed`` may not). A
        text without anything to say yields nothing.
        """

    def _utterances(
        self, text: str, request: SynthesisRequest, speed: float, factor: float
    ) -> Generator[Iterable[Float32], None, None]:
        """See :class:`UtteranceEngine`."""
        rate = self.spec.sample_rate
        for waveform in self._render(text, request, speed):
            body = trim(waveform, rate)
            if body.size == 0:
                continue
            if not np.isfinite(body).all():
                raise EngineFailure(f"{self.spec.name}: the model returned invalid samples")
            yield (fade(stretch(body, rate, factor), rate),)
