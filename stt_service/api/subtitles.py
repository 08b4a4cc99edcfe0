"""Format transcript segments as SubRip and WebVTT subtitles."""

from __future__ import annotations

from collections.abc import Iterable

from shared.wire.transcription import Segment


def stamp(seconds: float, separator: str) -> str:
    """Format a time as ``HH:MM:SS``, ``separator`` and milliseconds."""
    millis = max(0, round(seconds * 1000))
    hours, rest = divmod(millis, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    whole, part = divmod(rest, 1000)
    return f"{hours:02d}:{minutes:02d}:{whole:02d}{separator}{part:03d}"


def srt(segments: Iterable[Segment]) -> str:
    """Format segments as SubRip: numbered cues with a comma before the milliseconds."""
    cues = [
        f"{number}\n{stamp(s.start, ',')} --> {stamp(s.end, ',')}\n{_cue_text(s)}\n"
        for number, s in enumerate(segments, 1)
    ]
    return "\n".join(cues)


def vtt(segments: Iterable[Segment]) -> str:
    """Format segments as WebVTT (W3C): a header, then cues with a point before the milliseconds."""
    cues = [
        f"{stamp(s.start, '.')} --> {stamp(s.end, '.')}\n{_escaped(_cue_text(s))}\n"
        for s in segments
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _cue_text(segment: Segment) -> str:
    # A blank line or an arrow inside a cue would end it.
    return " ".join(segment.text.split()).replace("-->", "->")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
