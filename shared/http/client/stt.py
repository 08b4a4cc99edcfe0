"""Speech recognition as another service calls it."""

from __future__ import annotations

from shared.core.errors import UpstreamUnavailable
from shared.http.client.pool import UpstreamPool
from shared.wire.transcription import Transcript
from shared.wire.validation import validate


class SttClient:
    """``POST /transcribe`` of a pool."""

    def __init__(self, pool: UpstreamPool) -> None:
        self._pool = pool

    def transcribe(
        self, audio: bytes, *, content_type: str = "", language: str | None = None
    ) -> Transcript:
        """The transcript of a recording.

        Args:
            audio: any format FFmpeg reads.
            content_type: needed for audio without a header, for example ``audio/L16;rate=16000``.
            language: detected where None.

        Raises:
            MeshError: the service's own (``UnsupportedMedia``, ``Overloaded``, …), or
                ``UpstreamUnavailable``, ``UpstreamTimeout``.
        """
        data = self._pool.json(
            "POST",
            "/transcribe",
            headers={"Content-Type": content_type or "application/octet-stream"},
            params={"language": language} if language else None,
            body=audio,
        )
        if not isinstance(data, dict):
            raise UpstreamUnavailable("stt sent no transcript")
        return validate(Transcript, data)

    def is_ready(self) -> bool:
        """Whether a replica is."""
        return self._pool.is_ready()
