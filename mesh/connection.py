"""HTTP client for a gateway that raises its error responses as :class:`MeshError`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

import click

from mesh.environment import gateway_url, token_of, variables
from shared.core.errors import UpstreamTimeout, UpstreamUnavailable

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 600.0
"""Timeout of a read, seconds; a long recording takes minutes on a slow machine."""

CHUNK_BYTES = 8192


class Connection:
    """An HTTP client for one gateway.

    Args:
        url: base URL.
        token: bearer token, if the gateway requires one.
    """

    def __init__(self, url: str, token: str | None) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise click.BadParameter(f"{url} is no http URL", param_hint="--url")
        self.url = url.rstrip("/")
        self.token = token

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def is_local(self) -> bool:
        """Whether the gateway is on this machine, so that no proxy is used."""
        return (urlsplit(self.url).hostname or "") in ("127.0.0.1", "localhost", "::1")

    def _authorize(self, request: Any) -> Any:
        request.headers.update(self.headers)
        return request

    @contextmanager
    def request(self, method: str, path: str, **options: Any) -> Iterator[Any]:
        """Send a request and provide the streamed ``requests.Response``, whose status is below 400.

        Raises:
            MeshError: the error described by the response.
            UpstreamUnavailable: the gateway is not reachable, or the response broke off.
            UpstreamTimeout: the gateway did not respond in time.
        """
        import requests

        from shared.http.client.error_parsing import fault_from_response

        session = requests.Session()
        session.trust_env = not self.is_local
        # Passed as `auth` because a .netrc entry for the host would replace a header.
        session.auth = self._authorize
        timeout = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
        try:
            with (
                session,
                session.request(
                    method, self.url + path, timeout=timeout, stream=True, **options
                ) as response,
            ):
                if response.status_code >= 400:
                    fault = fault_from_response(response)
                    if response.status_code >= 500:
                        fault.details["request_id"] = response.headers.get("X-Request-ID")
                    raise fault
                yield response
        except requests.Timeout:
            raise UpstreamTimeout(f"{self.url} did not answer in time") from None
        except requests.exceptions.ChunkedEncodingError:
            raise UpstreamUnavailable("the answer broke off: what came is not whole") from None
        except requests.ConnectionError:
            raise UpstreamUnavailable(
                f"no mesh answers at {self.url}; start one with: mesh up"
            ) from None

    def json(self, method: str, path: str, **options: Any) -> Any:
        """Return the parsed JSON of a response; raises as :meth:`request` does."""
        with self.request(method, path, **options) as response:
            return response.json()


def connected(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options ``--url`` and ``--token`` to a command and pass it a ``connection``."""

    @click.option("--url", help="Base URL of the gateway.  [MESH_URL, or this machine at PORT]")
    @click.option("--token", help="Bearer token.  [MESH_TOKEN or API_TOKENS]")
    @wraps(function)
    def command(*args: Any, url: str | None, token: str | None, **kwargs: Any) -> None:
        known = variables()
        function(
            *args,
            connection=Connection(url or gateway_url(known), token or token_of(known)),
            **kwargs,
        )

    return command
