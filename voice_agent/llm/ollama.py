"""Ollama through its official client: streaming chat, and pulling a missing model.

A missing model is pulled in the background. Until then the engine is unavailable and the next one
in the order is used.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from shared.core.errors import (
    EngineFailure,
    MeshError,
    UnknownModel,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from shared.core.metrics import LLM_PULLED
from shared.engines.registry import EngineSpec
from voice_agent.llm.address import is_near
from voice_agent.llm.base import LlmEngine, Message, ReplyOptions
from voice_agent.settings import AgentSettings

log = logging.getLogger(__name__)

PROBE_TIMEOUT_S = 1.0
PROBE_EVERY_S = 10.0
"""Lifetime of a cached availability check of server and model, seconds."""


def build(settings: AgentSettings) -> OllamaLlm:
    """Return the engine for ``LLAMA_ENDPOINT`` and ``LLAMA_MODEL``."""
    return OllamaLlm(settings)


class OllamaLlm(LlmEngine):
    """A language model on an Ollama server."""

    device = "remote"

    def __init__(
        self, settings: AgentSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._probe: tuple[float, str] | None = None
        self._pull: threading.Thread | None = None
        self._pull_state = ""
        self._client: Any = None
        self._prober: Any = None
        self.spec = EngineSpec(
            name="ollama",
            model=settings.llama_model,
            licence="see the model's card",
            commercial_use=False,
            languages=frozenset(),
            parameters=frozenset({"max_tokens", "temperature"}),
            max_concurrency=8,
        )

    def load(self) -> None:
        """Create the clients.

        Availability is checked at each turn, since Ollama may stop and start.
        """
        self._client = self._connect(self._settings.llm_timeout_s)
        self._prober = self._connect(PROBE_TIMEOUT_S)

    def warm_up(self) -> None:
        """Check availability once, so that a missing model is pulled before the first question."""
        self.unavailable()

    def close(self) -> None:
        """Drop the clients."""
        self._client = self._prober = None

    def unavailable(self) -> str:
        """Return ``not reachable``, the state of the pull (``pulling … 40 %``) or the empty string.

        The server is asked at most every ten seconds.
        """
        with self._lock:
            now = self._clock()
            if self._probe is not None and now - self._probe[0] < PROBE_EVERY_S:
                return self._pull_state if self._pulling() else self._probe[1]
            reason = self._look()
            self._probe = (now, reason)
            return reason

    def reply(self, messages: Sequence[Message], options: ReplyOptions) -> Iterator[str]:
        """Yield the reply; see :class:`LlmEngine`."""
        try:
            yield from self._stream(messages, options)
        except GeneratorExit:
            raise
        except Exception as error:
            with self._lock:
                self._probe = None
            raise _fault(error, self._settings.llama_model) from error

    def _stream(self, messages: Sequence[Message], options: ReplyOptions) -> Iterator[str]:
        parts = self._client.chat(
            model=self._settings.llama_model,
            messages=[message.as_dict() for message in messages],
            stream=True,
            # Reasoning is off: it is not spoken, delays the audio and counts as tokens.
            think=False,
            options={
                # Ollama's own default may be smaller than what the conversation was fitted to, and
                # it drops what exceeds it without an error.
                "num_ctx": self._settings.llm_context,
                "num_predict": options.max_tokens,
                "temperature": options.temperature,
            },
        )
        done = False
        try:
            # The client raises on a line with an error; `thinking` is a separate field.
            for part in parts:
                if part.message.content:
                    yield part.message.content
                done = bool(part.done)
        finally:
            parts.close()
        if not done:
            raise UpstreamUnavailable("Ollama broke off in the middle of its reply")

    def _connect(self, timeout_s: float) -> Any:
        import ollama

        endpoint = self._settings.llama_endpoint
        return ollama.Client(host=endpoint, timeout=timeout_s, trust_env=not is_near(endpoint))

    def _look(self) -> str:
        try:
            have = {model.model or "" for model in self._prober.list().models}
        except Exception as error:
            # The client passes on its transport's exceptions; all of them mean "not reachable".
            log.debug("ollama is not reachable", extra={"error": type(error).__name__})
            return "not reachable"
        wanted = self._settings.llama_model
        if wanted in have or f"{wanted}:latest" in have:
            return ""
        if not self._pulling():
            self._pull_state = f"pulling {wanted}"
            self._pull = threading.Thread(target=self._pull_model, name="pull", daemon=True)
            self._pull.start()
        return self._pull_state

    def _pulling(self) -> bool:
        return self._pull is not None and self._pull.is_alive()

    def _pull_model(self) -> None:
        wanted = self._settings.llama_model
        deadline = self._clock() + self._settings.pull_timeout_s
        log.info("pulling a language model", extra={"model": wanted})
        try:
            for step in self._client.pull(wanted, stream=True):
                if self._clock() > deadline:
                    raise UpstreamTimeout("pulling took too long")
                if step.total:
                    ratio = (step.completed or 0) / step.total
                    LLM_PULLED.labels(engine="ollama").set(ratio)
                    self._pull_state = f"pulling {wanted}: {ratio:.0%}"
        except Exception as error:
            self._pull_state = f"could not pull {wanted}"
            log.error(
                "could not pull the language model",
                extra={"model": wanted, "error": type(error).__name__},
            )
            return
        log.info("language model pulled", extra={"model": wanted})
        with self._lock:
            self._probe = None


def _fault(error: Exception, model: str) -> MeshError:
    """Convert an exception of the client or its transport to a mesh error."""
    import httpx
    import ollama

    if isinstance(error, MeshError):
        return error
    if isinstance(error, ollama.ResponseError):
        if error.status_code == 404:
            return UnknownModel(f"Ollama has no model '{model}'")
        if error.status_code >= 500:
            return UpstreamUnavailable(f"Ollama answered {error.status_code}")
        return EngineFailure("Ollama reported an error")
    if isinstance(error, httpx.TimeoutException):
        return UpstreamTimeout("Ollama fell silent")
    if isinstance(error, ConnectionError | httpx.HTTPError):
        return UpstreamUnavailable("Ollama is not reachable")
    if isinstance(error, ValueError):
        return UpstreamUnavailable("Ollama sent something that is no reply")
    return EngineFailure(f"Ollama's client failed: {type(error).__name__}")
