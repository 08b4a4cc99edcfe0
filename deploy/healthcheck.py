"""Exit status 0 when the service in this container is ready: the images' HEALTHCHECK.

python healthcheck.py TTS_PORT 5000    the variable with the service's port, and its default
"""

from __future__ import annotations

import http.client
import os
import sys


def main() -> int:
    """0: ready; 1: no answer, or not ready."""
    variable, default = sys.argv[1:3]
    connection = http.client.HTTPConnection(
        "127.0.0.1", int(os.environ.get(variable) or default), timeout=4
    )
    try:
        connection.request("GET", "/readyz")
        return 0 if connection.getresponse().status == http.HTTPStatus.OK else 1
    except (OSError, http.client.HTTPException):
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
