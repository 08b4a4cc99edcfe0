"""With stand-ins: scripts called aplay and arecord, and a module that looks like sounddevice."""

import stat
import sys
import threading
import types

import pytest

from mesh import sound_devices
from shared.audio.pcm import AudioFormat
from shared.audio.wav import HEADER_BYTES, wav_header


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Puts shell scripts on PATH and hides sounddevice."""
    monkeypatch.setattr(sound_devices, "_sounddevice", lambda: None)
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    def add(name, script):
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return folder

    return add


def test_samples_reach_aplay_whole(programs, tmp_path):
    programs("aplay", f'echo "$@" > {tmp_path}/words; cat > {tmp_path}/heard')
    sound_devices.play_pcm([b"\x01", b"\x02\x03", b"\x04\x05"], 24_000)
    assert (tmp_path / "heard").read_bytes() == b"\x01\x02\x03\x04"
    assert "-r 24000" in (tmp_path / "words").read_text()


def test_a_player_that_fails_is_quoted(programs):
    programs("aplay", "exec 0<&-; echo 'audio open error: no card' >&2; exit 1")
    with pytest.raises(sound_devices.SoundError, match="no card"):
        sound_devices.play_pcm([b"\0" * 100_000] * 20, 24_000)


def test_arecord_is_stopped_when_the_speaker_is_done(programs, tmp_path):
    # Like arecord, it writes to the file named last until it is told to stop.
    programs(
        "arecord",
        'for last; do :; done; printf "\\1\\2\\3\\4" > "$last"; '
        f"trap 'exit 1' TERM; touch {tmp_path}/begun; while :; do sleep 0.05; done",
    )

    def wait():
        while not (tmp_path / "begun").exists():
            threading.Event().wait(0.02)

    wav = sound_devices.record_wav(wait)
    assert wav == wav_header(AudioFormat(16_000), 4) + b"\1\2\3\4"


def test_a_recorder_that_fails_is_quoted(programs):
    programs("arecord", "echo 'no microphone' >&2; exit 1")
    with pytest.raises(sound_devices.SoundError, match="no microphone"):
        sound_devices.record_wav(lambda: threading.Event().wait(0.5))


class FakeDevice(types.ModuleType):
    """The part of sounddevice that is used."""

    PortAudioError = type("PortAudioError", (Exception,), {})

    def __init__(self, *, broken=False):
        super().__init__("sounddevice")
        self.played = []
        self.broken = broken

    def RawOutputStream(self, **options):  # noqa: N802 - its own name
        return self._stream(options)

    def RawInputStream(self, *, callback, **options):  # noqa: N802
        callback(b"\5\6", 1, None, None)
        return self._stream(options)

    def _stream(self, options):
        if self.broken:
            raise self.PortAudioError("no device")
        self.options = options
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def write(self, data):
        self.played.append(data)


def test_sounddevice_is_preferred(monkeypatch):
    device = FakeDevice()
    monkeypatch.setattr(sound_devices, "_sounddevice", lambda: device)
    sound_devices.play_wav(wav_header(AudioFormat(22_050), 4) + b"\1\2\3\4")
    assert device.played == [b"\1\2\3\4"]
    assert device.options["samplerate"] == 22_050
    assert sound_devices.record_wav(lambda: None)[HEADER_BYTES:] == b"\5\6"
    sound_devices.require_recorder()


def test_a_device_that_fails_is_quoted(monkeypatch):
    monkeypatch.setattr(sound_devices, "_sounddevice", lambda: FakeDevice(broken=True))
    with pytest.raises(sound_devices.SoundError, match="no device"):
        sound_devices.play_pcm([b"\0\0"], 24_000)
    with pytest.raises(sound_devices.SoundError, match="no device"):
        sound_devices.record_wav(lambda: None)


def test_sounddevice_without_its_library_counts_as_missing(monkeypatch, tmp_path):
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    assert sound_devices._sounddevice() is None
