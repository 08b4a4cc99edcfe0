"""The gunicorn settings that all services share; each ``gunicorn.conf.py`` calls :func:`serve`.

One worker: one copy of the model; replicas scale. Threads: every session and every request at
work holds one, and eight stay free, so that health probes always get an answer.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from shared.core.settings import CommonSettings
from shared.engines import lost_device

SPARE_THREADS = 8


def serve(settings: CommonSettings, port: int) -> dict[str, Any]:
    """Values for the module globals that gunicorn reads as its configuration."""
    return {
        "bind": [f"{settings.bind_host}:{port}"],
        "worker_class": "gthread",
        "workers": 1,
        "threads": settings.max_sessions + settings.max_requests + SPARE_THREADS,
        "worker_connections": 1000,
        "preload_app": False,
        # gthread's heartbeat runs in the main thread: bounds a hung process, not a long answer.
        "timeout": 120,
        "graceful_timeout": settings.shutdown_grace_s,
        "keepalive": 15,
        "accesslog": None,
        "errorlog": "-",
        "loglevel": "warning",
        # In memory where the system has it: a heartbeat file on a slow disk stalls the worker.
        "worker_tmp_dir": "/dev/shm",  # noqa: S108
        "limit_request_line": 8190,
        "control_socket_disable": True,
        "post_worker_init": _replace_without_gpu,
    }


def _replace_without_gpu(worker: Any) -> None:
    """A worker that has lost its GPU ends, and gunicorn starts another, which may have it again."""
    lost_device.when_lost(lambda: os.kill(worker.pid, signal.SIGTERM))
