"""HTTP client for Fish servers, which streams one sentence per request.

All errors are MeshErrors. They and the logs contain no key, text or upstream message, since an
upstream may quote its input.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests
import urllib3

from shared.audio.wav import HEADER_BYTES
from shared.core.errors import (
    ClientGone,
    MeshError,
    NotReady,
    RateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from shared.http.client.watchdog import Watchdog
from shared.http.client.watched_connections import WatchedAdapter

_READ = 1 << 14
_LONGEST_RETRY_AFTER_S = 300.0
_STATUS_FAULTS = {
    400: "refused the request",
    401: "refused the key",
    402: "wants the account to be topped up",
    403: "does not permit this to the key",
    404: "does not know the model or the voice's reference id",
    413: "found the request too large",
    422: "refused the request",
}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds.

    Attributes:
        connect: opening a connection.
        first: from the request to the first audio.
        gap: between two chunks of audio.
        total: for one sentence.
    """

    connect: float
    first: float
    gap: float
    total: float


class _Bearer(requests.auth.AuthBase):
    """Bearer authentication that an entry in ``~/.netrc`` cannot replace, unlike a plain header."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class FishConnection:
    """A connection to a Fish server.

    Args:
        name: name for error messages.
        url: base URL.
        key: bearer token; empty sends none.
        headers: sent with every request.
        timeouts: timeouts of one sentence.
        proxies: whether the environment's proxies and certificates are used.

    Attributes:
        name, url: as given.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        key: str,
        headers: Mapping[str, str],
        timeouts: Timeouts,
        proxies: bool,
    ) -> None:
        self.name = name
        self.url = url
        self._timeouts = timeouts
        self._session = requests.Session()
        self._session.trust_env = proxies
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, WatchedAdapter())
        self._session.auth = _Bearer(key)
        self._session.headers.update(
            {"Accept-Encoding": "identity", "User-Agent": "voicemesh", **headers}
        )

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()

    def check(self) -> None:
        """Check the server with ``/v1/health``.

        Raises:
            NotReady: the server does not answer or is not healthy.
        """
        try:
            response = self._session.get(
                f"{self.url}/v1/health",
                timeout=(self._timeouts.connect, self._timeouts.first),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            fault = self._connection_fault(error)
            raise NotReady(f"{fault.message} ({fault.code})") from None
        response.close()
        if response.status_code != 200:
            raise NotReady(f"{self.name} answered {response.status_code} when asked for its health")

    def speak(self, body: Mapping[str, Any]) -> Generator[bytes, None, None]:
        """Yield the bytes of the response to ``POST /v1/tts`` as they arrive; the body is msgpack.

        Raises:
            UpstreamUnavailable: not reachable, a refusal (code ``http_…``), or broken off
                (``cut``).
            UpstreamTimeout: no connection, no response or no further data in time
                (``connect_timeout``, ``no_answer``, ``stalled``).
            RateLimited: 429, with its ``Retry-After``.
            ClientGone: the client has disconnected.
        """
        import ormsgpack

        started = time.monotonic()
        try:
            response = self._session.post(
                f"{self.url}/v1/tts",
                data=ormsgpack.packb(body),
                headers={"Content-Type": "application/msgpack"},
                timeout=(self._timeouts.connect, self._timeouts.first),
                stream=True,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise self._connection_fault(error) from None
        try:
            if response.status_code != 200:
                raise self._status_fault(response)
            yield from self._parts(response, started)
        finally:
            # Closing an incompletely read response tells the server to stop.
            response.close()

    def _parts(self, response: requests.Response, started: float) -> Iterator[bytes]:
        received = 0
        broken = late = False
        with Watchdog(response.raw.shutdown) as dog:
            while True:
                now = time.monotonic()
                # A header alone is not audio: the server sends it before the model starts.
                begun = received > HEADER_BYTES
                allowed = self._timeouts.gap if begun else self._timeouts.first - (now - started)
                dog.within(min(allowed, self._timeouts.total - (now - started)))
                try:
                    part = response.raw.read1(_READ, decode_content=False)
                except urllib3.exceptions.ReadTimeoutError:
                    late = True
                    break
                except (urllib3.exceptions.HTTPError, OSError, ValueError):
                    broken = True
                    break
                if not part or dog.verdict:
                    break
                received += len(part)
                dog.within(float("inf"))
                yield part
        if dog.verdict == "client_gone":
            raise ClientGone("the client has left")
        late = late or dog.verdict == "late"
        if late and received > HEADER_BYTES:
            raise UpstreamTimeout(f"{self.name} stopped in mid-sentence", code="stalled")
        if late:
            raise UpstreamTimeout(f"{self.name} sent no audio in time", code="no_answer")
        if broken:
            raise UpstreamUnavailable(f"{self.name} broke off", code="cut")

    def _connection_fault(self, error: requests.RequestException) -> MeshError:
        if isinstance(error, requests.ConnectTimeout):
            return UpstreamTimeout(f"{self.name} cannot be reached", code="connect_timeout")
        if isinstance(error, requests.Timeout):
            return UpstreamTimeout(f"{self.name} did not answer in time", code="no_answer")
        if isinstance(error, requests.exceptions.SSLError):
            return UpstreamUnavailable(
                f"{self.name} cannot be reached securely", code="tls_failure"
            )
        causes = _causes(error)
        if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
            return UpstreamUnavailable(f"{self.name} is not running", code="connection_refused")
        if any(isinstance(cause, urllib3.exceptions.NewConnectionError) for cause in causes):
            return UpstreamUnavailable(f"{self.name} cannot be reached", code="unreachable")
        return UpstreamUnavailable(f"{self.name} closed the connection", code="connection_lost")

    def _status_fault(self, response: requests.Response) -> MeshError:
        status = response.status_code
        if status == 429:
            return RateLimited(
                f"{self.name} is asked too often",
                code="http_429",
                retry_after=_retry_after(response.headers.get("Retry-After", "")),
            )
        what = _STATUS_FAULTS.get(status)
        # One code per class for other statuses, so that metric labels are few.
        code = (
            f"http_{status}"
            if what or status in (500, 502, 503, 504)
            else f"http_{status // 100}xx"
        )
        return UpstreamUnavailable(f"{self.name} {what or f'answered {status}'}", code=code)


def is_header_safe(key: str) -> bool:
    """Check for printable ASCII without spaces; the HTTP library's error would quote other keys."""
    return bool(key) and key.isascii() and key.isprintable() and " " not in key


def _retry_after(value: str) -> float | None:
    """Return the seconds in a ``Retry-After`` header (number or date), limited to 300."""
    try:
        seconds = urllib3.Retry().parse_retry_after(value)
    except urllib3.exceptions.InvalidHeader:
        return None
    return min(_LONGEST_RETRY_AFTER_S, seconds) or None


def _causes(error: BaseException) -> list[BaseException]:
    """Return ``error`` and all errors that it wraps, as requests and urllib3 nest them."""
    found: list[BaseException] = []
    pending: list[object] = [error]
    while pending:
        cause = pending.pop()
        if isinstance(cause, BaseException) and cause not in found:
            found.append(cause)
            pending += [*cause.args, cause.__cause__, cause.__context__]
            pending.append(getattr(cause, "reason", None))
    return found
