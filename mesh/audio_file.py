"""Write streamed audio to a file atomically."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile

import click

from shared.audio.wav import HEADER_BYTES, UNKNOWN_SIZE

_RIFF_SIZE_AT, _DATA_SIZE_AT = 4, 40


def save(chunks: Iterable[bytes], path: Path) -> int:
    """Write ``chunks`` to a temporary file and move it to ``path`` after the last one.

    A streamed WAV declares unknown lengths in its header. They are replaced by the actual lengths.

    Returns:
        The number of bytes written.

    Raises:
        click.FileError: the file cannot be written.
    """
    try:
        return _save(chunks, path)
    except OSError as error:
        # Network errors of the chunks (``requests``) are OSErrors too, but have no errno.
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
            # Temporary files are private to the user; give the result the usual permissions.
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
        (declared,) = struct.unpack_from("<I", head, _DATA_SIZE_AT)
        if declared != UNKNOWN_SIZE or size >= UNKNOWN_SIZE:
            return
        wav.seek(_RIFF_SIZE_AT)
        wav.write(struct.pack("<I", size - 8))
        wav.seek(_DATA_SIZE_AT)
        wav.write(struct.pack("<I", size - HEADER_BYTES))
