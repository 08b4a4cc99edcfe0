"""JSON logging: one object per line, with the service name and the request id.

Texts, transcripts and tokens are never logged. Log records describe a request only by its lengths,
languages, engines and times.
"""

from __future__ import annotations

import logging
import re
import sys
import uuid
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the request served in this context; passed between services as ``X-Request-ID``."""

_WELL_FORMED = re.compile(r"[A-Za-z0-9._\-]{1,128}")


def new_request_id() -> str:
    """Return a new request id: ``req_`` and 32 hexadecimal digits."""
    return f"req_{uuid.uuid4().hex}"


def accept_request_id(given: str | None) -> str:
    """Return the client's request id if it is well formed, otherwise a new one.

    The id is returned to the client and logged.
    """
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
    """Write all log records of this process to standard error as JSON lines.

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
    # These log every request or connection at INFO, which the access log already contains.
    for noisy in ("werkzeug", "urllib3", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
