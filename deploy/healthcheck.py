"""Check whether the service in this container is ready (the images' HEALTHCHECK).

The exit status is 0 if it is.

python healthcheck.py TTS_PORT 5000    the variable with the service's port, and its default
"""

from __future__ import annotations

import http.client
import os
import sys


def main() -> int:
    """Return the exit status: 0 if the service is ready, 1 if not or without a response."""
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
