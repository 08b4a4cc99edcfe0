"""What bounds the work on one recording: its length, its samples, and a client that still waits."""

import io
from types import SimpleNamespace

import av
import numpy as np
import pytest

from shared.audio import decoding_limits
from shared.audio.decode import decode_stream
from shared.audio.decoding_limits import DecodingLimits
from shared.core.cancellation import watching
from shared.core.errors import ClientGone, TooLarge

RATE = 16_000
HOURS = 3600.0


def flac(seconds, layout="stereo", rate=RATE, declared_seconds=None):
    """Silence; with ``declared_seconds`` the header declares another length than there is."""
    channels = len(av.AudioLayout(layout).channels)
    out = io.BytesIO()
    with av.open(out, "w", format="flac") as output:
        stream = output.add_stream("flac", rate=rate, layout=layout, format="s16")
        samples = np.zeros((1, int(seconds * rate) * channels), np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
        frame.sample_rate = rate
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    data = bytearray(out.getvalue())
    if declared_seconds is not None:
        # The last 36 bits before the checksum of STREAMINFO are the number of samples.
        data[21] &= 0xF0
        data[22:26] = int(declared_seconds * rate).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("seconds", "rate", "channels"),
    [
        (2 * HOURS, 48_000, 1),
        (2 * HOURS, 48_000, 2),
        (2 * HOURS, 44_100, 3),
        (600.0, 192_000, 6),
        (2 * HOURS, 8_000, 8),
    ],
)
def test_ordinary_recordings_are_taken(seconds, rate, channels):
    header = SimpleNamespace(declared_seconds=seconds, sample_rate=rate, channels=channels)
    DecodingLimits(2 * HOURS, RATE).check_header(header)


@pytest.mark.parametrize(
    ("seconds", "rate", "channels"),
    [
        (2 * HOURS, 48_000, 7),
        (1200.0, 192_000, 6),
        # Few samples, of which the requested rate makes many.
        (2 * HOURS, 1_000, 32),
    ],
)
def test_recordings_of_too_many_samples_are_refused(seconds, rate, channels):
    header = SimpleNamespace(declared_seconds=seconds, sample_rate=rate, channels=channels)
    with pytest.raises(TooLarge, match="1000 million samples") as refused:
        DecodingLimits(2 * HOURS, RATE).check_header(header)
    assert refused.value.code == "too_many_samples"


def test_a_longer_limit_of_seconds_allows_more_samples():
    header = SimpleNamespace(declared_seconds=6 * HOURS, sample_rate=48_000, channels=2)
    DecodingLimits(6 * HOURS, RATE).check_header(header)


@pytest.mark.parametrize("channel", [None, 0])
def test_a_header_that_declares_too_many_samples_is_refused_before_decoding(channel):
    data = flac(1.0, "6.1", 48_000, declared_seconds=2 * HOURS)
    with pytest.raises(TooLarge) as refused:
        decode_stream(data, sample_rate=RATE, max_seconds=2 * HOURS, channel=channel)
    assert refused.value.code == "too_many_samples"


def test_samples_are_counted_where_the_header_declares_no_length(monkeypatch):
    data = flac(2.0, "6.1", 48_000, declared_seconds=0)
    monkeypatch.setattr(decoding_limits, "MOST_SAMPLES", 2.5 * 48_000 * 7)
    assert sum(map(len, decode_stream(data, sample_rate=RATE, max_seconds=3))) == 2 * RATE
    monkeypatch.setattr(decoding_limits, "MOST_SAMPLES", 1.5 * 48_000 * 7)
    with pytest.raises(TooLarge) as refused:
        decode_stream(data, sample_rate=RATE, max_seconds=3)
    assert refused.value.code == "too_many_samples"


def left_after(probes):
    """A probe that finds the client gone at its last of ``probes`` calls."""
    return iter([False] * (probes - 1) + [True]).__next__


def test_measuring_the_channels_ends_when_the_client_leaves():
    data = flac(120.0)
    with watching(left_after(3)), pytest.raises(ClientGone):
        decode_stream(data, sample_rate=RATE, max_seconds=HOURS)


@pytest.mark.parametrize(("layout", "channel"), [("mono", None), ("stereo", 1)])
def test_decoding_ends_when_the_client_leaves(layout, channel):
    data = flac(120.0, layout)
    with decode_stream(data, sample_rate=RATE, max_seconds=HOURS, channel=channel) as reader:
        with watching(left_after(3)), pytest.raises(ClientGone):
            list(reader)
        # Sixty-four packets of 4608 samples between two probes.
        assert reader.seconds < 3 * 64 * 4608 / RATE
