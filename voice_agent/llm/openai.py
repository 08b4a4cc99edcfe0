"""OpenAI-compatible chat API: streamed completions over server-sent events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import requests
from pydantic import BaseModel

from shared.core.errors import (
    EngineFailure,
    NotReady,
    UnknownModel,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from shared.engines.registry import EngineSpec
from voice_agent.llm.address import is_near
from voice_agent.llm.base import LlmEngine, Message, ReplyOptions
from voice_agent.settings import AgentSettings

_CONNECT_TIMEOUT_S = 2.0


class _Delta(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    delta: _Delta | None = None
    finish_reason: Any = None


class _Chunk(BaseModel):
    """One event of a streamed completion.

    Servers differ in what they leave out or send as null; an event with the usage has no choices.
    """

    choices: list[_Choice] | None = None
    error: Any = None


def build(settings: AgentSettings) -> OpenAiLlm:
    """Return the engine for ``OPENAI_BASE_URL``, ``OPENAI_API_KEY`` and ``OPENAI_MODEL``."""
    return OpenAiLlm(settings)


class OpenAiLlm(LlmEngine):
    """A language model on an OpenAI-compatible server."""

    device = "remote"

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._session = requests.Session()
        self._session.trust_env = not is_near(settings.openai_base_url)
        self.spec = EngineSpec(
            name="openai",
            model=settings.openai_model or "default",
            licence="see the model's card",
            commercial_use=False,
            languages=frozenset(),
            parameters=frozenset({"max_tokens", "temperature"}),
            max_concurrency=16,
        )

    def load(self) -> None:
        """Check the configuration.

        Raises:
            NotReady: ``OPENAI_BASE_URL`` is not set.
        """
        if not self._settings.openai_base_url:
            raise NotReady("LLM_ENGINES names openai; set OPENAI_BASE_URL")

    def warm_up(self) -> None:
        """Do nothing, since the model is remote."""

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()

    def unavailable(self) -> str:
        """Return the empty string: the server's state is unknown before a request."""
        return ""

    def reply(self, messages: Sequence[Message], options: ReplyOptions) -> Iterator[str]:
        """Yield the reply; see :class:`LlmEngine`."""
        with self._post(messages, options) as response:
            try:
                yield from _pieces(response)
            except requests.Timeout:
                raise UpstreamTimeout("the language model fell silent") from None
            except requests.RequestException as error:
                raise UpstreamUnavailable("the language model broke off") from error
            except ValueError:
                # Without its cause, which quotes the reply.
                raise UpstreamUnavailable(
                    "the language model sent something that is no reply"
                ) from None

    def _post(self, messages: Sequence[Message], options: ReplyOptions) -> requests.Response:
        key = self._settings.openai_api_key.get_secret_value()
        try:
            response = self._session.post(
                self._settings.openai_base_url.rstrip("/") + "/chat/completions",
                json={
                    "model": self._settings.openai_model or "default",
                    "messages": [message.as_dict() for message in messages],
                    "stream": True,
                    "max_tokens": options.max_tokens,
                    "temperature": options.temperature,
                },
                headers={"Authorization": f"Bearer {key}"} if key else {},
                stream=True,
                timeout=(_CONNECT_TIMEOUT_S, self._settings.llm_timeout_s),
                allow_redirects=False,
            )
        except requests.Timeout:
            raise UpstreamTimeout("the language model did not answer") from None
        except (requests.RequestException, ValueError) as error:
            # A ValueError comes from a redirect to an invalid URL, which requests parses although
            # the redirect is not followed.
            raise UpstreamUnavailable("the language model is not reachable") from error
        if response.status_code == 200:
            return response
        response.close()
        if response.status_code == 404:
            raise UnknownModel(f"the server has no model '{self.spec.model}'")
        raise UpstreamUnavailable(f"the language model answered {response.status_code}")


def _pieces(response: requests.Response) -> Iterator[str]:
    """Yield the text of a streamed completion.

    Raises:
        UpstreamUnavailable: the stream ended without an end marker or finish reason.
        EngineFailure: the stream reports an error.
        ValueError: an event is not of the expected form.
    """
    complete = False
    for line in response.iter_lines(chunk_size=None):
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        chunk = _Chunk.model_validate_json(data)
        if chunk.error is not None:
            raise EngineFailure("the language model reported an error")
        for choice in (chunk.choices or [])[:1]:
            if choice.delta is not None and choice.delta.content:
                yield choice.delta.content
            complete = complete or choice.finish_reason is not None
    if not complete:
        raise UpstreamUnavailable("the language model broke off in the middle of its reply")
