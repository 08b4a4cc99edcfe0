"""Record and play audio with ``sounddevice`` if it is installed, or else with ALSA's programs.

Neither is a dependency, because a server has no sound card. Samples are always mono s16le.
"""

from __future__ import annotations

import importlib
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from shared.audio.pcm import AudioFormat, whole_samples
from shared.audio.wav import HEADER_BYTES, wav_header

RECORD_RATE = 16_000
"""Sample rate of recordings, Hz; the rate of speech recognition."""


class SoundError(click.ClickException):
    """No usable microphone or loudspeaker; the message contains a command that helps."""


_INSTALL = "run: .venv/bin/pip install sounddevice  (or: sudo apt install alsa-utils)"


def _sounddevice() -> Any | None:
    """Return the ``sounddevice`` module; None if it or its PortAudio library is missing."""
    if find_spec("sounddevice") is None:
        return None
    try:
        return importlib.import_module("sounddevice")
    except OSError:
        return None


def require_player() -> None:
    """Check that audio can be played.

    Raises:
        SoundError: no player is installed; the message contains a command that helps.
    """
    if _sounddevice() is None and shutil.which("aplay") is None:
        raise SoundError(f"nothing here can play sound; write a file with --output, or {_INSTALL}")


def require_recorder() -> None:
    """Check that audio can be recorded.

    Raises:
        SoundError: no recorder is installed; the message contains a command that helps.
    """
    if _sounddevice() is None and shutil.which("arecord") is None:
        raise SoundError(
            f"no microphone can be read; talk with a file (mesh talk question.wav), or {_INSTALL}"
        )


def play_pcm(chunks: Iterable[bytes], rate: int) -> None:
    """Play chunks of samples as they arrive.

    Raises:
        SoundError: there is no player, or it failed.
    """
    require_player()
    if (device := _sounddevice()) is not None:
        try:
            with device.RawOutputStream(samplerate=rate, channels=1, dtype="int16") as out:
                for chunk in whole_samples(chunks):
                    out.write(chunk)
        except device.PortAudioError as error:
            raise SoundError(f"the loudspeaker failed: {error}") from None
        return
    command = ["aplay", "-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", str(rate), "-"]
    player = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert player.stdin is not None  # noqa: S101
    try:
        for chunk in whole_samples(chunks):
            player.stdin.write(chunk)
    except BrokenPipeError:
        pass  # aplay ended early; its error message is read below
    _, words = player.communicate()
    if player.returncode:
        raise SoundError(f"aplay failed: {_last_line(words)}")


def play_wav(wav: bytes) -> None:
    """Play a WAV file in the mesh's own format: a 44-byte header and mono s16le samples."""
    (rate,) = struct.unpack_from("<I", wav, 24)
    play_pcm([wav[HEADER_BYTES:]], rate)


def record_wav(wait_for_end: Callable[[], None]) -> bytes:
    """Record until ``wait_for_end`` returns, and return a WAV file (16 kHz mono).

    Raises:
        SoundError: there is no recorder, or it failed.
    """
    require_recorder()
    device = _sounddevice()
    samples = _record_device(device, wait_for_end) if device else _record_alsa(wait_for_end)
    return wav_header(AudioFormat(RECORD_RATE, 1), len(samples)) + samples


def _record_device(device: Any, wait_for_end: Callable[[], None]) -> bytes:
    parts: list[bytes] = []

    def keep(data: Any, *_: Any) -> None:
        parts.append(bytes(data))

    try:
        with device.RawInputStream(
            samplerate=RECORD_RATE, channels=1, dtype="int16", callback=keep
        ):
            wait_for_end()
    except device.PortAudioError as error:
        raise SoundError(f"the microphone failed: {error}") from None
    return b"".join(parts)


def _record_alsa(wait_for_end: Callable[[], None]) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".raw") as kept:
        command = ["arecord", "-q", "-t", "raw", "-f", "S16_LE", "-c", "1"]
        # A separate process group: this process handles Ctrl-C in the terminal.
        recorder = subprocess.Popen(
            [*command, "-r", str(RECORD_RATE), kept.name],
            stderr=subprocess.PIPE,
            process_group=0,
        )
        try:
            wait_for_end()
            failed = recorder.poll()
        finally:
            # SIGTERM, because a process that was started in the background ignores SIGINT.
            recorder.terminate()
            try:
                _, words = recorder.communicate(timeout=5)
            except subprocess.TimeoutExpired:
                recorder.kill()
                _, words = recorder.communicate()
        if failed:
            raise SoundError(f"arecord failed: {_last_line(words)}")
        return Path(kept.name).read_bytes()


def _last_line(words: bytes) -> str:
    lines = words.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no message"
