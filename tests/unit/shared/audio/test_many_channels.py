"""Recordings with many channels, decoded in a process of its own: a crash is a failed test."""

import subprocess
import sys
import textwrap

import pytest

_DECODE = textwrap.dedent(
    """
    import io, sys
    import av
    import numpy as np
    from shared.audio.decode import decode, decode_stream
    from shared.audio.source import RawFormat
    from shared.core.errors import MeshError

    RATE = 16_000
    TONE = (0.5 * np.sin(np.arange(RATE) / 10) * 32767).astype("<i2")
    CODECS = {
        "wav": ("pcm_s16le", "wav"), "flac": ("flac", "flac"), "ogg": ("libopus", "ogg"),
    }
    LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}

    def recording(container, channels):
        samples = np.zeros((RATE, channels), "<i2")
        samples[:, -1] = TONE
        if container == "raw":
            return samples.tobytes(), RawFormat("s16le", RATE, channels)
        codec, muxer = CODECS[container]
        layout = LAYOUTS.get(channels, f"{channels}C")
        file = io.BytesIO()
        with av.open(file, "w", format=muxer) as output:
            stream = output.add_stream(codec, rate=RATE, layout=layout, format="s16")
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
            frame.sample_rate = RATE
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return file.getvalue(), None

    def alone(data, declared, channel):
        with decode_stream(
            data, sample_rate=RATE, max_seconds=10, declared=declared, channel=channel
        ) as reader:
            return np.concatenate(list(reader))

    for channels in map(int, sys.argv[2:]):
        data, declared = recording(sys.argv[1], channels)
        try:
            mono = decode(data, sample_rate=RATE, max_seconds=10, declared=declared)
            each = np.stack([alone(data, declared, channel) for channel in range(channels)])
        except MeshError as error:
            print(channels, error.code, flush=True)
            continue
        loudest = int(np.abs(each).max(axis=1).argmax())
        seconds = {round(len(mono) / RATE, 1), round(each.shape[1] / RATE, 1)}
        print(channels, each.shape[0], *seconds, loudest, flush=True)
    """
)


def decoded(container: str, channels: list[int]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _DECODE, container, *map(str, channels)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"after {done.stdout!r}: {done.stderr[-500:]}"
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("container", "channels"),
    [
        ("wav", [*range(1, 33)]),
        ("raw", [*range(1, 33)]),
        ("flac", [1, 2, 6, 8]),
        ("ogg", [1, 2, 6, 8]),
    ],
)
def test_every_channel_is_decoded(container, channels):
    # One second each, and the tone comes out in the last channel, where it was put.
    assert decoded(container, channels) == [f"{n} {n} 1.0 {n - 1}" for n in channels]


def test_more_channels_than_a_recorder_has_are_refused():
    assert decoded("wav", [33, 64]) == ["33 unsupported_media", "64 unsupported_media"]
