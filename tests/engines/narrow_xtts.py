"""The speech service, and a model for it, with a vocoder that is narrow enough to run often.

python -m tests.engines.narrow_xtts FOLDER      writes the model
"""

from __future__ import annotations

import sys
from pathlib import Path

from shared.http.server.asgi.shell import Shell
from tests.engines import tiny_xtts


def create_server() -> Shell:
    """As :func:`tts_service.app.create_server`."""
    tiny_xtts.narrow_vocoder()
    from tts_service.app import create_server as create

    return create()


if __name__ == "__main__":
    tiny_xtts.narrow_vocoder()
    tiny_xtts.build(Path(sys.argv[1]), longest_tokens=65)
