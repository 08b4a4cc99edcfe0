"""The gunicorn settings that all services share; each ``gunicorn.conf.py`` calls :func:`serve`.

There is one worker, and so one copy of the model; replicas provide scaling. Every session and every
active request occupies a thread. Eight spare threads keep health probes responsive.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from shared.core.settings import CommonSettings
from shared.engines import lost_device

SPARE_THREADS = 8


def serve(settings: CommonSettings, port: int) -> dict[str, Any]:
    """Return the values for the module globals that gunicorn reads as its configuration."""
    return {
        "bind": [f"{settings.bind_host}:{port}"],
        "worker_class": "gthread",
        "workers": 1,
        "threads": settings.max_sessions + settings.max_requests + SPARE_THREADS,
        "worker_connections": 1000,
        "preload_app": False,
        # gthread's heartbeat runs in the main thread: this limits a hung process, not a long
        # response.
        "timeout": 120,
        "graceful_timeout": settings.shutdown_grace_s,
        "keepalive": 15,
        "accesslog": None,
        "errorlog": "-",
        "loglevel": "warning",
        # Shared memory: a heartbeat file on a slow disk would stall the worker.
        "worker_tmp_dir": "/dev/shm",  # noqa: S108
        "limit_request_line": 8190,
        "control_socket_disable": True,
        "post_worker_init": _replace_without_gpu,
    }


def _replace_without_gpu(worker: Any) -> None:
    """Terminate a worker that has lost its GPU, so that gunicorn starts a new one.

    The new worker may be able to use the GPU again.
    """
    lost_device.on_lost(lambda: os.kill(worker.pid, signal.SIGTERM))
