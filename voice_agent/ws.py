"""WebSocket ``/ws``: spoken turns over one connection, with memory.

In the classic mode each binary recording gets one JSON message and one binary WAV. The streaming
mode (``?stream=1``, or a first message ``{"stream": true}``) sends events and audio as they are
generated. A new recording or ``{"event": "cancel"}`` interrupts the reply.
"""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypeGuard

from flask import Flask

from shared.core.cancellation import watching
from shared.core.errors import (
    ClientGone,
    InvalidRequest,
    MalformedRequest,
    MeshError,
    Overloaded,
    TooLarge,
)
from shared.core.log import request_id
from shared.core.streaming import close_quietly
from shared.http.server.asgi.flask_service import ws_route
from shared.http.server.asgi.socket import Socket
from shared.http.server.error_responses import as_mesh_error
from voice_agent.events import Event, Fault, ReplyWritten
from voice_agent.memory import Conversation
from voice_agent.reply import Parts
from voice_agent.responses import Collected, stream_messages
from voice_agent.settings import AgentSettings
from voice_agent.turn import Question, run_turn

log = logging.getLogger(__name__)

_DESCRIPTION = (
    "Classic: send one binary recording (WAV or anything FFmpeg reads); the answer is a JSON "
    'message `{"transcription", "llama", …}` and then the spoken reply as one binary WAV; the '
    'socket stays open and remembers. Where nothing was said, `"event": "no_speech"` comes '
    "alone. Streaming (`?stream=1`): JSON events `transcription`, `delta`, `reply`, "
    '`audio_start`, binary s16le chunks, `end`; a new recording, or `{"event": "cancel"}`, '
    "interrupts, which `cancelled` confirms. With `played_ms`, how much of the reply was played, "
    "the memory keeps only that: speech is sent faster than it is played. "
    'Errors are `{"error": …}`; the socket stays open for the next turn.'
)


def install(app: Flask, parts: Parts, settings: AgentSettings) -> None:
    """Register the WebSocket route ``/ws``."""
    speaking = threading.BoundedSemaphore(settings.max_sessions)

    @ws_route(
        app,
        "/ws",
        summary="Converse",
        tag="Conversation",
        description=_DESCRIPTION,
    )
    def converse(socket: Socket) -> None:
        memory = Conversation(
            settings.memory_turns, settings.llm_context - settings.reply_max_tokens
        )
        streaming = socket.query.get("stream", "").lower() in ("1", "true", "yes")
        session = _Session(socket, parts, settings, memory, speaking)
        session.run(streaming)


class _Session:
    """The conversation on one WebSocket connection.

    Args:
        socket: the connection.
        parts: clients, models and options of a turn.
        settings: limits.
        memory: of this conversation.
        speaking: turns at once of the whole service; idle connections do not count.
    """

    def __init__(
        self,
        socket: Socket,
        parts: Parts,
        settings: AgentSettings,
        memory: Conversation,
        speaking: threading.BoundedSemaphore,
    ) -> None:
        self._socket = socket
        self._parts = parts
        self._settings = settings
        self._memory = memory
        self._speaking = speaking
        self._language = socket.query.get("language") or None
        self._turn: threading.Thread | None = None
        self._cancel = threading.Event()
        self._cancel_confirmed = False

    def run(self, streaming: bool) -> None:
        """Serve turns until the client disconnects or the idle timeout is reached."""
        try:
            while True:
                message = self._socket.receive(self._settings.idle_timeout_s)
                if message is None:
                    if not self._socket.closed:
                        self._socket.close(1000, "idle")
                    return
                if isinstance(message, str):
                    streaming = self._control(message, streaming)
                elif streaming:
                    self._interrupt()
                    self._start(message)
                elif self._may_speak():
                    try:
                        self._answer(message)
                    finally:
                        self._speaking.release()
        finally:
            self._interrupt()

    def _may_speak(self) -> bool:
        """Take one of the service's turns; otherwise send the error."""
        if self._speaking.acquire(blocking=False):
            return True
        self._socket.send_json(Overloaded("too many sessions").body())
        return False

    def _control(self, message: str, streaming: bool) -> bool:
        """Handle a JSON message and return whether the streaming mode is active from now on."""
        try:
            command = json.loads(message)
            if not isinstance(command, dict):
                raise ValueError
        except (ValueError, RecursionError):  # the latter: nested too deeply
            self._socket.send_json(
                MalformedRequest("send a recording as a binary message, or a JSON object").body()
            )
            return streaming
        if command.get("event") == "cancel":
            self._cancelled(command.get("played_ms"))
            return streaming
        known = {"stream", "language"}
        if not known & set(command):
            self._socket.send_json(
                InvalidRequest(f"known fields: {', '.join(sorted(known))}, event").body()
            )
            return streaming
        if isinstance(command.get("language"), str):
            self._language = command["language"] or None
        return bool(command.get("stream", streaming))

    def _cancelled(self, played_ms: object) -> None:
        """Stop the current turn and remember only the played part of the latest reply."""
        self._interrupt()
        if _is_duration(played_ms):
            self._memory.played(played_ms / 1000)
        elif played_ms is not None:
            error = InvalidRequest("played_ms is a number of milliseconds", param="played_ms")
            self._socket.send_json(error.body())
        if not self._cancel_confirmed:
            self._socket.send_json({"event": "cancelled"})

    def _events(self, audio: bytes, cancel: threading.Event | None = None) -> Iterator[Event]:
        if len(audio) > self._settings.max_body_bytes:
            raise TooLarge(f"a recording may have {self._settings.max_body_bytes} bytes")
        question = Question(audio, language=self._language)
        return run_turn(self._parts, question, self._memory, cancel)

    def _answer(self, audio: bytes) -> None:
        """Answer a recording in the classic mode, in the calling thread."""
        turn = Collected()
        reported = False
        try:
            for event in self._events(audio):
                turn.add(event)
                # The JSON is sent as soon as the text is complete, while speech is synthesised.
                if isinstance(event, ReplyWritten):
                    self._socket.send_json(turn.answer().model_dump(exclude_none=True))
                    reported = True
                if isinstance(event, Fault):
                    log.warning("turn failed in part", extra={"stage": event.stage})
        except MeshError as error:
            self._socket.send_json(error.body())
            return
        if failure := turn.fault("llm"):
            self._socket.send_json(
                {**turn.answer().model_dump(exclude_none=True), **failure.body()}
            )
            return
        if not reported:
            self._socket.send_json(turn.answer().model_dump(exclude_none=True))
            return
        failure = turn.fault("tts")
        wav = turn.wav()
        if failure is not None or wav is None:
            # A truncated reply must not look complete.
            missing = failure or MeshError("there was nothing to speak", code="nothing_to_speak")
            self._socket.send_json(missing.body())
            return
        self._socket.send(wav)

    def _start(self, audio: bytes) -> None:
        """Start a turn of the streaming mode in a new thread, so that this one keeps receiving."""
        if not self._may_speak():
            return
        self._cancel = threading.Event()
        self._turn = threading.Thread(
            target=self._stream,
            args=(audio, self._cancel, request_id.get()),
            name="turn",
            daemon=True,
        )
        self._turn.start()

    def _interrupt(self) -> None:
        """Cancel the current turn, if there is one, and wait until it has ended."""
        turn, self._turn = self._turn, None
        self._cancel_confirmed = False
        if turn is not None:
            self._cancel.set()
            turn.join()

    def _stream(self, audio: bytes, cancel: threading.Event, caller: str) -> None:
        token = request_id.set(caller)
        events: Iterator[Event] = iter(())
        try:
            # Recognition is given up too when the turn is cancelled.
            with watching(lambda: cancel.is_set() or self._socket.is_gone()):
                events = self._events(audio, cancel)
                ended = False
                for message in stream_messages(events):
                    if cancel.is_set():
                        break
                    self._send(message)
                    ended = isinstance(message, dict) and message["event"] == "end"
                if not ended:
                    # Confirm only after everything has stopped.
                    close_quietly(events)
                    self._confirm_cancel()
        except ClientGone:
            if cancel.is_set():
                self._confirm_cancel()
        except OSError:
            log.debug("peer left during a turn")
        except Exception as error:
            self._report(as_mesh_error(error))
        finally:
            close_quietly(events)
            self._speaking.release()
            request_id.reset(token)

    def _confirm_cancel(self) -> None:
        self._cancel_confirmed = True
        with suppress(OSError):
            self._send({"event": "cancelled"})

    def _send(self, message: dict[str, Any] | bytes) -> None:
        if isinstance(message, bytes):
            self._socket.send(message)
        else:
            self._socket.send_json(message)

    def _report(self, error: MeshError) -> None:
        try:
            self._socket.send_json({"event": "error", **error.body()})
        except OSError:
            log.debug("peer left before the error was reported")


def _is_duration(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value < math.inf
