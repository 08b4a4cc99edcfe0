"""The common part of engines whose model turns one stretch of text into one whole waveform."""

from __future__ import annotations

import logging
import traceback
from abc import abstractmethod
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing

import numpy as np

from shared.errors import EngineFailure, InvalidRequest, MeshError
from shared.pcm import AudioFormat, Float32, Pcm16, PcmStream
from tts_service.engines.base import SynthesisRequest, TtsEngine
from tts_service.joins import LEAD_S, fade, silence, trim
from tts_service.loudness import to_pcm16
from tts_service.tempo import share_speed, stretch

log = logging.getLogger(__name__)

_SPLIT_PAUSE_S = 0.05
"""Between the parts of a piece that was too long for the model; cut at a mark or a space."""


class WaveformEngine(TtsEngine):
    """Joins the waveforms of :meth:`_render` into one stream of steady loudness without clicks."""

    native_speed: tuple[float, float] = (0.5, 1.5)
    """Speeds that the model itself keeps well; what lies beyond is stretched."""

    @abstractmethod
    def _render(self, text: str, request: SynthesisRequest, speed: float) -> Iterator[Float32]:
        """Waveforms of ``text`` at ``spec.sample_rate``, one per run of the model.

        ``speed`` lies within :attr:`native_speed` (``request.speed`` may not). A
        text without anything to say yields nothing.
        """

    @abstractmethod
    def _gain(self, request: SynthesisRequest) -> float:
        """The static factor that brings the request's voice to the target loudness."""

    def synthesize(self, request: SynthesisRequest) -> PcmStream:
        """See :meth:`TtsEngine.synthesize`."""
        return PcmStream(
            AudioFormat(self.spec.sample_rate), self._chunks(request), engine=self.spec.name
        )

    def _chunks(self, request: SynthesisRequest) -> Iterator[Pcm16]:
        rate = self.spec.sample_rate
        model_speed, factor = share_speed(request.speed, self.native_speed)
        pause_s = LEAD_S
        spoken = False
        progress = request.progress
        try:
            gain = self._gain(request)
            for index, piece in enumerate(request.pieces):
                said = False
                progress.piece, progress.begun = index, False
                made = self._utterances(piece.text, request, model_speed, factor)
                with closing(made) as utterances:
                    for utterance in utterances:
                        for sound in utterance:
                            progress.begun = said = spoken = True
                            before = silence(pause_s, rate)
                            yield to_pcm16(np.concatenate((before, sound * np.float32(gain))))
                            pause_s = 0.0
                        pause_s = _SPLIT_PAUSE_S / request.speed
                if said:
                    pause_s = piece.pause_s / request.speed
        except MeshError:
            raise
        except Exception as error:
            # The message may quote the text; where it arose is enough to find the fault.
            log.error(
                "engine failed",
                extra={
                    "engine": self.spec.name,
                    "error": type(error).__name__,
                    "frames": "".join(traceback.format_tb(error.__traceback__)),
                },
            )
            raise EngineFailure(f"{self.spec.name}: the model failed on this text") from error
        if not spoken:
            raise InvalidRequest(
                f"nothing in the text can be spoken in '{request.language}'",
                param="text",
                code="unspeakable_text",
            )

    def _utterances(
        self, text: str, request: SynthesisRequest, speed: float, factor: float
    ) -> Generator[Iterable[Float32], None, None]:
        """What :meth:`_render` makes of ``text``, each without the silence around it, ``factor``
        times as fast, faded at both ends, in one or several chunks."""
        rate = self.spec.sample_rate
        for waveform in self._render(text, request, speed):
            body = trim(waveform, rate)
            if body.size == 0:
                continue
            if not np.isfinite(body).all():
                raise EngineFailure(f"{self.spec.name}: the model returned invalid samples")
            yield (fade(stretch(body, rate, factor), rate),)
