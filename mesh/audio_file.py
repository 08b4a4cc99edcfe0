"""Writes streamed audio to a file that is whole or not there at all."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile

import click

from shared.audio.wav import HEADER_BYTES, UNKNOWN_SIZE

_RIFF_SIZE_AT, _DATA_SIZE_AT = 4, 40


def save(chunks: Iterable[bytes], path: Path) -> int:
    """Write ``chunks`` beside ``path`` and put the file in place when the last one came.

    A streamed WAV has unknown lengths in its header; they are known now and filled in.

    Returns:
        bytes written.

    Raises:
        click.FileError: the file cannot be written.
    """
    try:
        return _save(chunks, path)
    except OSError as error:
        # The chunks' own failures are OSErrors too (of requests), without a number of the system.
        if error.errno is None:
            raise
        raise click.FileError(str(path), error.strerror) from None


def _save(chunks: Iterable[bytes], path: Path) -> int:
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as out:
        scratch = Path(out.name)
        try:
            for chunk in chunks:
                out.write(chunk)
            size = out.tell()
            out.flush()
            _fill_in_lengths(scratch, size)
            # A temporary file is private; the result gets what any new file would get.
            scratch.chmod(0o644)
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)
    return size


def _fill_in_lengths(path: Path, size: int) -> None:
    with path.open("r+b") as wav:
        head = wav.read(HEADER_BYTES)
        if len(head) < HEADER_BYTES or head[:4] != b"RIFF" or head[36:40] != b"data":
            return
        (told,) = struct.unpack_from("<I", head, _DATA_SIZE_AT)
        if told != UNKNOWN_SIZE or size >= UNKNOWN_SIZE:
            return
        wav.seek(_RIFF_SIZE_AT)
        wav.write(struct.pack("<I", size - 8))
        wav.seek(_DATA_SIZE_AT)
        wav.write(struct.pack("<I", size - HEADER_BYTES))
