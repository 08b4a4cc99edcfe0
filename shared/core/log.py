"""JSON logs, one object a line, each with the service and the request it belongs to.

Texts, transcripts and tokens are never passed to a logger; what is logged of a request is its
shape (lengths, languages, engines, times).
"""

from __future__ import annotations

import logging
import re
import sys
import uuid
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The request being served in this context; crosses services as ``X-Request-ID``."""

_WELL_FORMED = re.compile(r"[A-Za-z0-9._\-]{1,128}")


def new_request_id() -> str:
    """A fresh request id, 32 hexadecimal digits behind ``req_``."""
    return f"req_{uuid.uuid4().hex}"


def accept_request_id(given: str | None) -> str:
    """The caller's id where it is well formed (it is echoed and logged), else a fresh one."""
    return given if given and _WELL_FORMED.fullmatch(given) else new_request_id()


class _Context(logging.Filter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def filter(self, record: logging.LogRecord) -> bool:
        record.service = self._service
        record.request_id = request_id.get()
        return True


def configure_logging(service: str, level: str = "INFO") -> None:
    """Send all records of this process to standard error as JSON lines.

    Raises:
        ValueError: unknown ``level``.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(service)s %(request_id)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
    )
    handler.addFilter(_Context(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These two log every request or every connection at INFO; our access log has them already.
    for noisy in ("werkzeug", "urllib3", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
