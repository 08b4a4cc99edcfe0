"""Self-test of a recognition engine on a small built-in recording."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from shared.audio.decode import decode_stream
from shared.core.errors import EngineFailure
from stt_service.engines.base import SAMPLE_RATE, Options, SttEngine

log = logging.getLogger(__name__)

RECORDING = Path(__file__).with_name("data") / "self_test.webm"
WORDS = ("he", "might", "even", "have", "been", "made", "amiable", "himself")
"""The words spoken in :data:`RECORDING` (data/README.md)."""
_SECONDS, _TOLERANCE_S = 3.29, 0.2


def self_test(engine: SttEngine, min_words: float) -> None:
    """Recognise the built-in English recording with ``engine``, through the decoder of requests.

    Args:
        engine: a loaded engine.
        min_words: share of the words that an English-capable engine must recognise, 0 to 1.

    Raises:
        MeshError: the recording cannot be decoded, or the engine fails.
        EngineFailure: the decoded length is wrong, or fewer words than ``min_words`` were
            recognised; the message has the recognised text.
    """
    languages = sorted(engine.spec.languages)
    english = not languages or any(tag.partition("-")[0] == "en" for tag in languages)
    options = Options(language=None if english else languages[0])
    with (
        RECORDING.open("rb") as source,
        decode_stream(source, sample_rate=SAMPLE_RATE, max_seconds=60.0) as reader,
    ):
        recognition = engine.transcribe(reader, options)
        try:
            text = "".join(segment.text for segment in recognition)
        finally:
            recognition.close()
        for _ in reader:
            pass
        seconds = reader.seconds
    if abs(seconds - _SECONDS) > _TOLERANCE_S:
        raise EngineFailure(
            f"self-test: {seconds:.2f} s of a recording of {_SECONDS} s could be decoded"
        )
    if not english or not engine.knows_words:
        return
    heard = re.findall(r"[a-z]+", text.lower())
    share = sum(word in heard for word in WORDS) / len(WORDS)
    log.info("self-test", extra={"engine": engine.spec.name, "words_found": round(share, 2)})
    if share < min_words:
        raise EngineFailure(
            f"self-test: a recording of '{' '.join(WORDS)}' was read as '{text.strip()[:100]}' "
            f"(STT_SELF_TEST_WORDS={min_words:g})"
        )
