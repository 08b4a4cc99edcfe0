"""A spoken conversation over the gateway's ``/ws`` WebSocket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, Self

import websocket

from mesh.connection import CONNECT_TIMEOUT_S, Connection
from shared.core.errors import MeshError, UpstreamTimeout, UpstreamUnavailable
from shared.http.client.error_parsing import fault_from_body

TURN_TIMEOUT_S = 300.0
"""Timeout of a turn, seconds; long enough to download or load a language model first."""
_NO_PROXY: Final[dict[str, Any]] = {"http_proxy_host": "unused", "http_no_proxy": ["*"]}
"""Options of ``websocket-client`` that keep a connection from the proxies of the environment.

The library ignores ``http_no_proxy`` unless a proxy is named.
"""


class Conversation:
    """A WebSocket session in which the server remembers previous turns.

    Use it in a ``with`` statement.

    Raises:
        MeshError: the error of a rejected connection.
        UpstreamUnavailable: the gateway is not reachable.
    """

    def __init__(self, connection: Connection) -> None:
        url = "ws" + connection.url.removeprefix("http") + "/ws"
        self._url = connection.url
        try:
            self._socket = websocket.create_connection(
                url,
                timeout=CONNECT_TIMEOUT_S,
                header=[f"{name}: {value}" for name, value in connection.headers.items()],
                suppress_origin=True,
                **(_NO_PROXY if connection.is_local else {}),
            )
        except websocket.WebSocketBadStatusException as error:
            raise _refusal(error) from None
        except (websocket.WebSocketException, OSError, ValueError):
            raise UpstreamUnavailable(
                f"no mesh answers at {connection.url}; start one with: mesh up"
            ) from None
        self._socket.settimeout(TURN_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close(timeout=1)
        # If the peer has closed first, the line above does nothing.
        self._socket.shutdown()

    def ask(self, audio: bytes, on_words: Callable[[str, str], None]) -> bytes:
        """Send a recording and return the spoken answer.

        Args:
            audio: a recording in any format that the mesh reads.
            on_words: called with the transcript and the reply before the audio arrives; both are
                empty if the recording contains no speech.

        Returns:
            The spoken reply as a WAV file; empty if the recording contains no speech.

        Raises:
            MeshError: the turn failed.
            UpstreamTimeout: the answer did not arrive in time.
            UpstreamUnavailable: the connection broke.
        """
        try:
            self._socket.send_binary(audio)
            while True:
                opcode, data = self._socket.recv_data()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    raise _closed(data)
                if opcode == websocket.ABNF.OPCODE_BINARY:
                    return bytes(data)
                event = json.loads(data)
                if "transcription" in event or event.get("event") == "no_speech":
                    on_words(event.get("transcription") or "", event.get("llama") or "")
                if "error" in event:
                    raise fault_from_body(event, None)
                if event.get("event") == "no_speech":
                    return b""
        except websocket.WebSocketTimeoutException:
            raise UpstreamTimeout("the mesh did not answer in time") from None
        except (websocket.WebSocketException, OSError, ValueError):
            raise UpstreamUnavailable("the conversation broke off") from None


def _refusal(error: Any) -> MeshError:
    try:
        body = json.loads(error.resp_body or b"")
    except ValueError:
        body = None
    return fault_from_body(body, error.status_code)


def _closed(data: bytes) -> MeshError:
    reason = data[2:].decode(errors="replace")
    return UpstreamUnavailable(
        f"the mesh ended the conversation: {reason}" if reason else "the mesh hung up"
    )
