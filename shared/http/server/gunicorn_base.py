"""The gunicorn settings that all services share; each ``gunicorn.conf.py`` calls :func:`serve`.

There is one worker, and so one copy of the model; replicas provide scaling. An event loop holds
the connections, and work that blocks runs in threads behind it (:mod:`shared.http.server.asgi`).
"""

from __future__ import annotations

import math
import os
import signal
from functools import partial
from typing import Any

from shared.core.settings import CommonSettings
from shared.engines import lost_device
from shared.http.server.asgi.worker import GRACE_MARGIN_S


def serve(settings: CommonSettings, port: int) -> dict[str, Any]:
    """Return the values for the module globals that gunicorn reads as its configuration."""
    return {
        "bind": [f"{settings.bind_host}:{port}"],
        "worker_class": "shared.http.server.asgi.worker.EdgeWorker",
        "workers": 1,
        "preload_app": False,
        # The heartbeat runs in the event loop: this limits a hung loop, not a long response.
        "timeout": 120,
        "graceful_timeout": settings.shutdown_grace_s
        + math.ceil(settings.drain_s)
        + GRACE_MARGIN_S,
        "keepalive": 15,
        "accesslog": None,
        "errorlog": "-",
        "loglevel": "warning",
        # Shared memory: a heartbeat file on a slow disk would stall the worker.
        "worker_tmp_dir": "/dev/shm",  # noqa: S108
        "control_socket_disable": True,
        "post_fork": partial(_configure, settings),
        "post_worker_init": _replace_without_gpu,
    }


def _configure(settings: CommonSettings, _: Any, worker: Any) -> None:
    """Give a new worker the settings that gunicorn does not know."""
    worker.config.ws_max_size = settings.max_body_bytes
    worker.config.timeout_graceful_shutdown = settings.shutdown_grace_s
    worker.drain_s = settings.drain_s


def _replace_without_gpu(worker: Any) -> None:
    """Terminate a worker that has lost its GPU, so that gunicorn starts a new one.

    The new worker may be able to use the GPU again. SIGINT stops without draining.
    """
    lost_device.on_lost(lambda: os.kill(worker.pid, signal.SIGINT))
