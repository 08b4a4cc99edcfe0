"""Client of the speech recognition service for other services."""

from __future__ import annotations

from shared.http.client.pool import UpstreamPool
from shared.wire.transcription import Transcript
from shared.wire.validation import validate_answer


class SttClient:
    """A client for ``POST /transcribe`` of an upstream pool."""

    def __init__(self, pool: UpstreamPool) -> None:
        self._pool = pool

    def transcribe(
        self, audio: bytes, *, content_type: str = "", language: str | None = None
    ) -> Transcript:
        """Transcribe a recording.

        Args:
            audio: any format that FFmpeg reads.
            content_type: required for audio without a header, for example ``audio/L16;rate=16000``.
            language: language of the speech; None to detect it.

        Raises:
            MeshError: the service's own error (``UnsupportedMedia``, ``Overloaded``, …), or
                ``UpstreamUnavailable`` (also for an answer that is no transcript),
                ``UpstreamTimeout``.
        """
        data = self._pool.json(
            "POST",
            "/transcribe",
            headers={"Content-Type": content_type or "application/octet-stream"},
            params={"language": language} if language else None,
            body=audio,
        )
        return validate_answer(Transcript, data, "stt")

    def is_ready(self) -> bool:
        """Return whether a replica is ready."""
        return self._pool.is_ready()
