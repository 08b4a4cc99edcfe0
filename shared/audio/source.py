"""Open untrusted audio with FFmpeg (through PyAV) and read its decoded frames safely.

Input is bytes or a seekable file, never a path or URL. All protocols are disabled, and only
demuxers that read nothing but their own input are allowed (no playlists, concatenation scripts or
image sequences). A file may be incomplete: the module reports damage, so that the caller can tell a
cut recording from a complete one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import av
import av.error

from shared.audio.wav import WavCheck, check_wav
from shared.core.cancellation import client_is_gone
from shared.core.errors import ClientGone, InvalidRequest, UnsupportedMedia

# Self-contained audio and video containers. Excluded on purpose: hls, dash, concat, sdp, rtsp,
# image2, lavfi, ffmetadata and subtitle formats, which open other files, devices or sockets, and
# the many game formats whose probes accept noise.
_DEMUXERS: Final = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,gsm,ircam,loas,"
    "matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,nistsphere,nut,ogg,oma,qoa,rm,sox,tak,tta,"
    "voc,w64,wav,wv"
)
_ALLOWED: Final = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "none"}
# PyAV 18 raises an error for tags that are not UTF-8 unless this argument is set; later versions
# accept such tags and have no such argument.
_METADATA: Final[dict[str, Any]] = (
    {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
)
_RAW_DEMUXERS: Final = {"s16le": "s16le", "s16be": "s16be", "mulaw": "mulaw", "alaw": "alaw"}
_MIN_RATE, _MAX_RATE, _MAX_CHANNELS = 1_000, 768_000, 32
# Enough packets to distinguish noise that was probed as MP3 or AAC from a recording with a damaged
# start.
_TRIAL_PACKETS = 32
# At most about 0.6 s of decoding: a packet of FLAC holds up to 65 535 samples of eight channels.
_PACKETS_BETWEEN_PROBES = 64
# Because of codec delay and padding, decoded and declared lengths differ by up to a few frames.
_TOLERANCE_S, _TOLERANCE_SHARE = 0.3, 0.001
# These containers store an exact sample count.
_EXACT: Final = frozenset({"aiff", "au", "flac"})
_EXACT_TOLERANCE_S = 0.002
_TAIL_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class RawFormat:
    """Format of samples without a header, as declared by the client.

    Attributes:
        encoding: ``s16le``, ``s16be``, ``mulaw`` or ``alaw`` (ITU-T G.711).
        sample_rate: Hz, 1 000 to 768 000.
        channels: interleaved channels, 1 to 32.

    Raises:
        InvalidRequest: a value is out of range.
    """

    encoding: str
    sample_rate: int
    channels: int = 1

    def __post_init__(self) -> None:
        if self.encoding not in _RAW_DEMUXERS:
            raise InvalidRequest(
                f"unknown raw encoding; use one of {', '.join(_RAW_DEMUXERS)}", param="encoding"
            )
        if not _MIN_RATE <= self.sample_rate <= _MAX_RATE:
            raise InvalidRequest("sample rate out of range", param="sample_rate")
        if not 1 <= self.channels <= _MAX_CHANNELS:
            raise InvalidRequest("channel count out of range", param="channels")


_MULAW_TYPES: Final = {"audio/basic", "audio/x-mulaw", "audio/mulaw", "audio/pcmu"}
_ALAW_TYPES: Final = {"audio/x-alaw", "audio/alaw", "audio/pcma", "audio/x-alaw-basic"}
_PCM_TYPES: Final = {"audio/l16", "audio/pcm", "audio/x-pcm", "audio/raw", "audio/x-raw"}


def raw_format_of(content_type: str | None) -> RawFormat | None:
    """Return the raw format that a content type declares, or None if it declares none.

    ``audio/L16;rate=16000;channels=1`` and ``audio/pcm;rate=24000`` are s16le. RFC 2586 defines L16
    as big-endian, but the speech services that made the type common send little-endian;
    ``;endianness=big-endian`` selects the RFC's byte order. ``audio/L16`` must have a rate (as in
    the RFC); ``audio/pcm`` without one is 24 kHz (the OpenAI convention). ``audio/basic`` (RFC
    2046), ``audio/PCMU`` and ``audio/PCMA`` are G.711 at 8 kHz unless a rate is given.

    Raises:
        InvalidRequest: the rate or channel count is missing, not a number or out of range.
    """
    if not content_type:
        return None
    kind, *fields = (part.strip() for part in content_type.lower().split(";"))
    values = dict(re.split(r"\s*=\s*", field, maxsplit=1) for field in fields if "=" in field)
    if kind in _MULAW_TYPES or kind in _ALAW_TYPES:
        encoding, default_rate = ("mulaw" if kind in _MULAW_TYPES else "alaw"), "8000"
    elif kind in _PCM_TYPES:
        big = values.get("endianness", "").strip('"').startswith("big")
        encoding, default_rate = ("s16be" if big else "s16le"), "24000"
        if kind == "audio/l16" and "rate" not in values:
            raise InvalidRequest("audio/L16 needs a rate: audio/L16;rate=16000", param="file")
    else:
        return None
    try:
        rate = int(values.get("rate", default_rate).strip('"'))
        channels = int(values.get("channels", "1").strip('"'))
    except ValueError:
        raise InvalidRequest(
            "rate and channels in the content type must be whole numbers", param="file"
        ) from None
    return RawFormat(encoding, rate, channels)


class AudioSource:
    """A reader that decodes the audio track of a file once.

    Args:
        source: seekable binary file; read from its start.
        declared: format of samples without a header; None for files with a header.

    Attributes:
        container: FFmpeg's name of the demuxer.
        codec: FFmpeg's name of the decoder.
        sample_rate: sample rate of the file, Hz.
        channels: number of channels in the file.
        declared_seconds: length declared by the container's header; None if it declares none.
        seconds: seconds decoded so far.
        damage: set after the last frame: why the audio is incomplete, or None if no damage was
            found.

    Raises:
        InvalidRequest: the file is empty (code ``empty_audio``).
        UnsupportedMedia: the file contains no decodable audio.
    """

    def __init__(self, source: BinaryIO, declared: RawFormat | None = None) -> None:
        if source.seek(0, 2) == 0:
            raise InvalidRequest("the audio file is empty", param="file", code="empty_audio")
        wav = WavCheck() if declared else check_wav(source)
        if not wav.plausible:
            raise UnsupportedMedia("the file's chunk lengths are impossible", param="file")
        self._missing = wav.missing_bytes
        self._cut_page = not declared and _ends_inside_ogg_page(source)
        self._has_length_tag = _has_mp3_length_tag(source)
        source.seek(0)
        self._container = _open(source, declared)
        try:
            stream = self._container.streams.best("audio")
            if stream is None or stream.codec_context is None:
                raise UnsupportedMedia("the file has no sound track", param="file", code="no_audio")
            self._stream = stream
            self.container: str = self._container.format.name
            self.codec: str = stream.codec_context.name
            if self.codec == "flac":
                # Without this option FFmpeg decodes frames whose checksum is wrong as far as it
                # can.
                stream.codec_context.options = {"err_detect": "crccheck+explode"}
            self.sample_rate: int = stream.rate
            self.channels: int = stream.channels
            if not (
                _MIN_RATE <= self.sample_rate <= _MAX_RATE and 1 <= self.channels <= _MAX_CHANNELS
            ):
                raise UnsupportedMedia(
                    "the header's sample rate or channel count is impossible", param="file"
                )
            self.declared_seconds = None if declared else self._declared_seconds()
        except BaseException:
            self._container.close()
            raise
        self.seconds = 0.0
        self.damage: str | None = None

    def close(self) -> None:
        """Free FFmpeg's state. Safe to call twice."""
        self._container.close()

    def frames(self) -> Iterator[Any]:
        """Yield decoded ``av.AudioFrame`` objects in order and set :attr:`damage` at the end.

        Raises:
            InvalidRequest: the file has no samples (code ``empty_audio``).
            UnsupportedMedia: more than half of the packets cannot be decoded.
            ClientGone: the client of the current request has disconnected.
        """
        packets = failed = 0
        stray = corrupt = broke_off = False
        for packet in self._packets():
            if packet is None:
                broke_off = True
                break
            packets += 1
            if packets % _PACKETS_BETWEEN_PROBES == 0 and client_is_gone():
                raise ClientGone("the client has left")
            corrupt = corrupt or packet.is_corrupt
            try:
                frames = packet.decode()
                # The last packet that PyAV gives is empty and only drains the decoder.
                stray = stray and not packet.size
            except av.error.FFmpegError:
                frames = []
                failed += 1
                stray = self.container == "mp3" and not bytes(packet).startswith(b"\xff")
            for frame in frames:
                if frame.samples and frame.sample_rate:
                    self.seconds += frame.samples / frame.sample_rate
                    yield frame
            if packets <= _TRIAL_PACKETS and failed > _TRIAL_PACKETS // 2:
                break
        if failed * 2 > packets:
            raise UnsupportedMedia("the audio cannot be decoded", param="file")
        if self.seconds == 0.0:
            raise InvalidRequest("the audio has no samples", param="file", code="empty_audio")
        # What follows the last frame of an MP3 without being one itself is a tag, not audio.
        failed -= int(stray)
        self.damage = self._judge(packets, failed, corrupt, broke_off)

    def _packets(self) -> Iterator[Any]:
        """Yield the packets of the audio track; the last one is None if the demuxer failed."""
        try:
            yield from self._container.demux(self._stream)
        except av.error.FFmpegError:
            yield None

    def _judge(self, packets: int, failed: int, corrupt: bool, broke_off: bool) -> str | None:
        declared = self.declared_seconds
        if declared is not None:
            exact = self.container in _EXACT
            allowed = _EXACT_TOLERANCE_S if exact else _TOLERANCE_S + declared * _TOLERANCE_SHARE
            if self.seconds < declared - allowed:
                return f"{self.seconds:.1f} s of the declared {declared:.1f} s could be decoded"
        if self._missing:
            return f"{self._missing} bytes of the declared samples are missing"
        if failed:
            return f"{failed} of {packets} packets could not be decoded"
        # FFmpeg marks the last packet of every WAV of unknown length as corrupt.
        if self._cut_page or broke_off or (corrupt and self.container != "wav"):
            return "the file ends in the middle of its data"
        return None

    def _declared_seconds(self) -> float | None:
        """Return the header's length if the container states one and FFmpeg did not estimate it."""
        if self.container in {"aac", "wav"} or (
            self.container == "mp3" and not self._has_length_tag
        ):
            return None
        stream = self._stream
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        if self._container.duration is not None and len(self._container.streams) == 1:
            return float(self._container.duration) / 1e6
        return None


def _open(source: BinaryIO, declared: RawFormat | None) -> Any:
    try:
        if declared is None:
            # The mode is explicit because PyAV would otherwise take it from an upload's "w+b"
            # temporary file.
            return av.open(
                source,
                mode="r",
                container_options=dict(_ALLOWED),
                **_METADATA,
                io_open=_refuse,
            )
        return av.open(
            source,
            mode="r",
            format=_RAW_DEMUXERS[declared.encoding],
            container_options={
                "sample_rate": str(declared.sample_rate),
                "ch_layout": f"{declared.channels}C"
                if declared.channels > 2
                else ("stereo" if declared.channels == 2 else "mono"),
            },
        )
    except (av.error.FFmpegError, UnicodeError):
        raise UnsupportedMedia("the file is no audio that can be decoded", param="file") from None


def _refuse(url: str, flags: int, options: object) -> Any:
    """Reject every attempt of a container to open another file, in addition to the whitelists."""
    raise PermissionError("audio files may not refer to other files")


def _ends_inside_ogg_page(source: BinaryIO) -> bool:
    """Return whether an Ogg file ends inside its last page.

    The page's length follows from its segment table (RFC 3533).
    """
    source.seek(0)
    if source.read(4) != b"OggS":
        return False
    end = source.seek(0, 2)
    start = max(0, end - _TAIL_BYTES)
    source.seek(start)
    tail = source.read()
    page = tail.rfind(b"OggS")
    if page < 0:
        return True
    segments = tail[page + 26] if len(tail) > page + 26 else 255
    table = tail[page + 27 : page + 27 + segments]
    return len(table) < segments or page + 27 + segments + sum(table) > len(tail)


def _has_mp3_length_tag(source: BinaryIO) -> bool:
    """Return whether the first MPEG frame holds the frame count (Xing, Info or VBRI tag)."""
    source.seek(0)
    head = source.read(10)
    offset = 0
    if head[:3] == b"ID3" and len(head) == 10:
        # An ID3v2 size is stored as four bytes of seven bits each.
        offset = 10 + sum(
            byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)
        )
    source.seek(offset)
    first = source.read(2048)
    return any(tag in first for tag in (b"Xing", b"Info", b"VBRI"))
