"""Prepare reference recordings for Fish: trimmed, normalised in loudness and limited in length.

They are sent with every sentence and must therefore be small.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

from shared.audio.decode import decode
from shared.audio.encode import Container, encode
from shared.audio.pcm import AudioFormat
from shared.core.errors import InvalidRequest
from tts_service.engines.base import PreparedVoice, Reference
from tts_service.sound.loudness import gain_for, integrated_lufs, to_pcm16
from tts_service.sound.trimming import trim

_RATE = 44_100
"""Sample rate of Fish's codec, Hz; a higher rate would be discarded, a lower one loses quality."""
_LONGEST_FILE_S = 600.0
_SHORTEST_S, _LONGEST_S = 1.0, 30.0
"""Fish recommends 10 to 30 seconds; less than one second is not enough to clone a voice."""
_KEPT = 16


@dataclass(frozen=True, slots=True)
class FishReference:
    """A prepared recording.

    Attributes:
        audio: a file of mono audio at the target loudness.
        transcript: text spoken in it; empty where unknown.
        is_cut: whether only the beginning was kept, so that a transcript of the whole does not
            match.
    """

    audio: bytes
    transcript: str
    is_cut: bool = False

    def body(self, transcript: str | None) -> dict[str, object]:
        """Return the entry of ``references``; a transcript in the request takes precedence.

        Raises:
            InvalidRequest: there is a transcript, but the recording was cut.
        """
        if transcript and self.is_cut:
            raise InvalidRequest(
                f"a recording with a transcript may last {_LONGEST_S:g} s", param="reference_text"
            )
        return {"audio": self.audio, "text": transcript or self.transcript}


class FishReferences:
    """A cache of prepared recordings by content, which keeps the latest ones.

    Args:
        container: container format in which they are sent.
    """

    def __init__(self, container: Container) -> None:
        self._container: Container = container
        self._lock = threading.Lock()
        self._known: OrderedDict[str, PreparedVoice] = OrderedDict()

    def prepare(self, reference: Reference) -> PreparedVoice:
        """Decode, trim, normalise and encode ``reference``.

        Raises:
            InvalidRequest: less than a second of audio, or too long to be sent with its transcript.
            UnsupportedMedia, TooLarge: as :func:`shared.audio.decode.decode`.
        """
        content = reference.audio + b"\0" + reference.transcript.encode()
        key = hashlib.sha256(content).hexdigest()[:16]
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        prepared = PreparedVoice(f"clone-{key}", "cloning", self._made(reference))
        with self._lock:
            self._known[key] = prepared
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return prepared

    def _made(self, reference: Reference) -> FishReference:
        samples = decode(reference.audio, sample_rate=_RATE, max_seconds=_LONGEST_FILE_S)
        speech = trim(samples, _RATE)
        if speech.size < _SHORTEST_S * _RATE:
            raise InvalidRequest(
                f"the recording has less than {_SHORTEST_S:g} s of sound", param="voice_sample"
            )
        is_cut = speech.size > _LONGEST_S * _RATE
        if is_cut:
            if reference.transcript:
                raise InvalidRequest(
                    f"a recording with a transcript may last {_LONGEST_S:g} s", param="voice_sample"
                )
            speech = speech[: round(_LONGEST_S * _RATE)]
        pcm = to_pcm16(speech * gain_for(integrated_lufs(speech, _RATE)))
        audio = encode(pcm, AudioFormat(_RATE), self._container)
        return FishReference(audio, reference.transcript, is_cut)
