"""Base class of engines that join the utterances of a text into one stream."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing

import numpy as np

from shared.audio.pcm import AudioFormat, Float32, Pcm16, PcmStream
from shared.core.errors import InvalidRequest, MeshError
from shared.engines.model_errors import model_failure
from tts_service.engines.base import SynthesisRequest, TtsEngine
from tts_service.sound.joins import LEAD_S, silence
from tts_service.sound.loudness import to_pcm16
from tts_service.sound.tempo import share_speed


class UtteranceEngine(TtsEngine):
    """Joins the utterances of :meth:`_utterances`, at one gain, with pauses between them."""

    native_speed: tuple[float, float] = (0.5, 1.5)
    """Speeds that the model itself does well; beyond them the audio is time-stretched."""
    split_pause_s = 0.05
    """Pause between the parts of a piece that was too long for the model, seconds at speed 1."""

    @abstractmethod
    def _utterances(
        self, text: str, request: SynthesisRequest, speed: float, factor: float
    ) -> Generator[Iterable[Float32], None, None]:
        """Yield the model's utterances of ``text``, one per run, at ``spec.sample_rate``.

        Each is trimmed and faded at both ends, in one or several chunks. A text with nothing to
        say yields nothing.

        Args:
            text: one piece of the request.
            request: the whole request.
            speed: for the model, within :attr:`native_speed`.
            factor: time-stretching factor for the model's audio.
        """

    @abstractmethod
    def _gain(self, request: SynthesisRequest) -> float:
        """Return the factor that brings the request's voice to the target loudness."""

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
                        heard = False
                        for sound in utterance:
                            progress.begun = heard = said = spoken = True
                            before = silence(pause_s, rate)
                            yield to_pcm16(np.concatenate((before, sound * np.float32(gain))))
                            pause_s = 0.0
                        if heard:
                            pause_s = self.split_pause_s / request.speed
                if said:
                    pause_s = piece.pause_s / request.speed
        except MeshError:
            raise
        except Exception as error:
            raise model_failure(self.spec.name, error) from error
        if not spoken:
            raise InvalidRequest(
                f"nothing in the text can be spoken in '{request.language}'",
                param="text",
                code="unspeakable_text",
            )
