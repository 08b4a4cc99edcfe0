"""llama.cpp in this process (xllamacpp), with SmolLM2-135M or any GGUF file.

The KV cache keeps the common prefix of prompts between the turns of a conversation.
"""

from __future__ import annotations

import json
import logging
import queue
import secrets
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from shared.core.errors import EngineFailure, NotReady
from shared.engines.registry import EngineSpec
from shared.models import locate
from voice_agent.llm.base import LlmEngine, Message, ReplyOptions
from voice_agent.llm.fitting import shortened
from voice_agent.settings import AgentSettings

log = logging.getLogger(__name__)

PARALLEL = 2
"""Conversations decoded concurrently; further ones wait in the host's queue."""
_QUEUED = 64
"""Pieces generated ahead of the consumer before generation blocks."""
_PROMPT_CACHE_MIB = 24
"""Size of the prompt cache beside the running slots; a spoken conversation needs about 5 MiB."""
_POLL_S = 0.05
_END = object()


class _PromptTooLong(Exception):
    """The prompt exceeds the context; has the prompt's tokens and the context size.

    llama.cpp reports it before it generates any text.
    """

    def __init__(self, tokens: int, context: int) -> None:
        super().__init__(tokens, context)
        self.tokens = tokens
        self.context = context


def build(settings: AgentSettings) -> EmbeddedLlm:
    """Return the engine for the model file in the settings."""
    return EmbeddedLlm(settings)


class EmbeddedLlm(LlmEngine):
    """A language model that runs in this process with llama.cpp."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._server: Any = None
        own = settings.llm_gguf_path
        self.spec = EngineSpec(
            name="embedded",
            model=own.stem if own else "SmolLM2-135M-Instruct",
            licence="see the model's card" if own else "Apache-2.0",
            commercial_use=own is None,
            languages=frozenset(),
            parameters=frozenset({"max_tokens", "temperature"}),
            max_concurrency=PARALLEL,
        )

    def load(self) -> None:
        """Load the GGUF file.

        Raises:
            NotReady: the file is missing or invalid, or llama.cpp itself cannot be loaded.
        """
        try:
            import xllamacpp
        except ImportError as error:
            hint = (
                "; on Debian or Ubuntu: sudo apt install libgomp1" if "gomp" in str(error) else ""
            )
            raise NotReady(f"llama.cpp cannot be loaded ({error}){hint}") from error

        path = self._settings.llm_gguf_path
        path = path if path else locate("smollm2", self._settings.home) / "model.gguf"
        if not Path(path).is_file():
            raise NotReady("LLM_GGUF_PATH names no file")
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx = self._settings.llm_context * PARALLEL
        params.n_parallel = PARALLEL
        params.cpuparams.n_threads = self._settings.llm_threads
        params.cpuparams_batch.n_threads = max(self._settings.llm_threads, self._settings.threads)
        params.n_gpu_layers = 0
        params.cache_ram_mib = _PROMPT_CACHE_MIB
        params.verbosity = -1
        # llama.cpp always opens an HTTP port on loopback; a random API key makes it unusable.
        params.api_keys = [secrets.token_hex(32)]
        params.ui = False
        params.endpoint_slots = False
        try:
            self._server = xllamacpp.Server(params)
        except (RuntimeError, ValueError) as error:
            raise NotReady("llama.cpp could not load the model file") from error

    def warm_up(self) -> None:
        """Generate a few tokens.

        Raises:
            EngineFailure: the model generates no text.
        """
        if not "".join(self.reply([Message("user", "Hi")], ReplyOptions(max_tokens=4))).strip():
            raise EngineFailure("the embedded language model says nothing")

    def close(self) -> None:
        """Free the model."""
        self._server = None

    def unavailable(self) -> str:
        """Return ``not loaded`` before :meth:`load`, else the empty string."""
        return "" if self._server is not None else "not loaded"

    def reply(self, messages: Sequence[Message], options: ReplyOptions) -> Iterator[str]:
        """Yield the reply; see :class:`LlmEngine`.

        The oldest turns are dropped where the conversation exceeds the context.

        Raises:
            TooLarge: the question alone is too long (while iterating).
        """
        kept = list(messages)
        while True:
            try:
                yield from self._attempt(kept, options)
            except _PromptTooLong as refused:
                kept = shortened(kept, refused.tokens, refused.context - options.max_tokens)
                log.info("oldest turns left out", extra={"messages": len(kept)})
                continue
            return

    def _attempt(self, messages: Sequence[Message], options: ReplyOptions) -> Iterator[str]:
        request = json.dumps(
            {
                "messages": [message.as_dict() for message in messages],
                "stream": True,
                "max_tokens": options.max_tokens,
                "temperature": options.temperature,
                # Without it a small model repeats itself.
                "repeat_penalty": 1.15,
                "cache_prompt": True,
            }
        )
        pieces: queue.Queue[object] = queue.Queue(_QUEUED)
        cancelled = threading.Event()
        worker = threading.Thread(
            target=self._generate, args=(request, pieces, cancelled), name="llm", daemon=True
        )
        worker.start()
        try:
            while (piece := pieces.get()) is not _END:
                if isinstance(piece, BaseException):
                    raise piece
                if piece:
                    yield str(piece)
        finally:
            cancelled.set()
            worker.join()

    def _generate(
        self, request: str, pieces: queue.Queue[object], cancelled: threading.Event
    ) -> None:
        def put(item: object) -> bool:
            """Put an item into the queue; return True when the consumer has cancelled."""
            while not cancelled.is_set():
                try:
                    pieces.put(item, timeout=_POLL_S)
                except queue.Full:
                    continue
                return False
            return True

        def on_chunk(text: str) -> bool:
            # The return value goes to llama.cpp: True aborts generation.
            try:
                return put(_content(json.loads(text)))
            except (EngineFailure, _PromptTooLong) as error:
                put(error)
                return True

        try:
            self._server.handle_chat_completions(request, on_chunk)
        except Exception as error:
            log.error("generation failed", extra={"error": type(error).__name__})
            put(EngineFailure("the embedded language model failed"))
        put(_END)


def _content(chunk: dict[str, Any]) -> str:
    """Return the text of a chat completion chunk.

    Raises:
        EngineFailure: the chunk reports an error.
        _PromptTooLong: the reported error is the prompt's length.
    """
    if "error" in chunk:
        error = chunk["error"]
        if isinstance(error, dict) and error.get("type") == "exceed_context_size_error":
            raise _PromptTooLong(int(error["n_prompt_tokens"]), int(error["n_ctx"]))
        raise EngineFailure("the embedded language model failed")
    choices = chunk.get("choices") or [{}]
    return choices[0].get("delta", {}).get("content") or ""
