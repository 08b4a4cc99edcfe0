"""Both Fish engines before their test servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.fish_server import KEY, FishServer
from tts_service.engines import REGISTRY
from tts_service.engines.base import Piece, SynthesisRequest
from tts_service.engines.fish.engine import FishEngine
from tts_service.settings import TtsSettings

Make = Callable[..., FishEngine]


@pytest.fixture
def api() -> Iterator[FishServer]:
    server = FishServer("api")
    yield server
    server.close()


@pytest.fixture
def local() -> Iterator[FishServer]:
    server = FishServer("local")
    yield server
    server.close()


@pytest.fixture(params=["fish-api", "fish-local"])
def server(request: pytest.FixtureRequest) -> FishServer:
    """One test for each kind of server."""
    return request.getfixturevalue(request.param.removeprefix("fish-"))


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """``make(server, **settings)``: the engine for it, loaded and warm."""
    made: list[FishEngine] = []

    def build(server: FishServer, *, warm: bool = True, **overrides: Any) -> FishEngine:
        values: dict[str, Any] = {
            f"fish_{server.kind}_url": server.url,
            "fish_api_key": KEY,
            "fish_first_audio_timeout_s": 5.0,
            **overrides,
        }
        engine = REGISTRY.build(f"fish-{server.kind}", TtsSettings(_env_file=None, **values))
        made.append(engine)
        if warm:
            engine.load()
            engine.warm_up()
            server.received.clear()
        return engine

    yield build
    for engine in made:
        engine.close()


def asking(engine: FishEngine, *texts: str, **fields: Any) -> SynthesisRequest:
    """A request with the engine's first voice."""
    pieces = tuple(Piece(text, 0.3) for text in texts or ("Hello there, how are you?",))
    values: dict[str, Any] = {"language": "en-us", "voice": engine.voices()[0], **fields}
    return SynthesisRequest(pieces=pieces, **values)


def speak(engine: FishEngine, *texts: str, **fields: Any) -> np.ndarray:
    """The samples of an answer."""
    stream = engine.synthesize(asking(engine, *texts, **fields))
    try:
        return np.concatenate(list(stream))
    finally:
        stream.close()
