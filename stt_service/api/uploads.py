"""Read the uploaded recording from a multipart field or from the request body."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from flask import request
from werkzeug.datastructures import FileStorage

from shared.audio.source import RawFormat, raw_format_of
from shared.core.errors import InvalidRequest
from shared.core.metrics import UPLOAD_BYTES
from shared.wire.transcription import TranscribeRequest

FIELDS = ("audio_file", "file", "audio")
"""Accepted names of the multipart field, in order of precedence."""
_COPY = 1 << 16


@contextmanager
def recording(spool_bytes: int, *, outlives_view: bool = False) -> Iterator[BinaryIO]:
    """Open the uploaded recording as a seekable file.

    Args:
        spool_bytes: size up to which a copy is held in memory.
        outlives_view: the file is read after the view has returned. Flask closes the file of a
            multipart field then, so that it is copied.

    Raises:
        InvalidRequest: there is no recording.
    """
    upload = _field()
    if upload is not None and not outlives_view:
        size = upload.stream.seek(0, os.SEEK_END)
        UPLOAD_BYTES.labels(route=str(request.url_rule)).observe(size)
        upload.stream.seek(0)
        yield cast(BinaryIO, upload.stream)
        return
    with SpooledTemporaryFile(spool_bytes) as spool:
        shutil.copyfileobj(upload.stream if upload is not None else request.stream, spool, _COPY)
        size = spool.tell()
        if upload is None and size == 0:
            raise InvalidRequest(
                f"no recording: send it as the multipart field '{FIELDS[0]}'", param=FIELDS[0]
            )
        UPLOAD_BYTES.labels(route=str(request.url_rule)).observe(size)
        spool.seek(0)
        yield cast(BinaryIO, spool)


def _field() -> FileStorage | None:
    if request.mimetype != "multipart/form-data":
        return None
    for name in FIELDS:
        if name in request.files:
            return request.files[name]
    found = ", ".join(sorted(request.files)) or "none"
    raise InvalidRequest(
        f"no recording: expected the multipart field '{FIELDS[0]}', found: {found[:100]}",
        param=FIELDS[0],
    )


def declared_format(fields: TranscribeRequest | None = None) -> RawFormat | None:
    """Return the format of a headerless recording from the form fields or the content type.

    Raises:
        InvalidRequest: the format is incomplete.
    """
    if fields is not None and fields.encoding is not None:
        if fields.sample_rate is None:
            raise InvalidRequest("encoding needs sample_rate", param="sample_rate")
        return RawFormat(fields.encoding, fields.sample_rate, fields.raw_channels)
    upload = next((request.files[name] for name in FIELDS if name in request.files), None)
    content_type = upload.content_type if upload is not None else request.content_type
    return raw_format_of(content_type)
