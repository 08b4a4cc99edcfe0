"""Asks engines for speech, alone and all at once."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from tts_service.engines.base import Piece, SynthesisRequest


def request(engine: Any, *texts: str, language: str | None = None, **more: Any) -> SynthesisRequest:
    voice = engine.voices()[0]
    return SynthesisRequest(
        pieces=tuple(Piece(text, 0.2) for text in texts),
        language=language or voice.language,
        voice=voice,
        **more,
    )


def say(engine: Any, *texts: str, **more: Any) -> np.ndarray:
    stream = engine.synthesize(request(engine, *texts, **more))
    try:
        return np.concatenate(list(stream))
    finally:
        stream.close()


def say_at_once(engine: Any, texts: list[str]) -> dict[str, np.ndarray]:
    """Each text from a thread of its own, released together."""
    found: dict[str, np.ndarray] = {}
    start = threading.Barrier(len(texts))

    def speak(text: str) -> None:
        start.wait(30)
        found[text] = say(engine, text)

    threads = [threading.Thread(target=speak, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return found
