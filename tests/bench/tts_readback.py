"""Speech read back: what the mesh says, heard by the mesh's own recogniser.

    python tests/bench/tts_readback.py --url http://127.0.0.1:8000 --languages en es

Sentences with numbers, prices, dates and abbreviations are synthesised, transcribed and compared
with the words a person would say (`sentences/<language>.jsonl`: `text`, `spoken`, `also` for
other right readings, `digits` where a number is said digit by digit). Errors are the speech's and
the recogniser's together.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import requests

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import report
from tests.bench.scoring import Score, best_score, total

SENTENCES = Path(__file__).parent / "sentences"
TARGETS = {"en": 0.02, "es": 0.08, "pt": 0.10, "fr": 0.12, "it": 0.12}
TIMEOUT_S = 180
METHOD = """
Each sentence is spoken by `POST /synthesize` (default voice of the language unless one is given)
and read back by `POST /v1/audio/transcriptions` with the language named. Word error rate after
`tests/bench/scoring.py`, all errors over all words.
"""


def read_back(
    session: requests.Session, url: str, text: str, language: str, body: Any
) -> tuple[str, str]:
    """The transcript of `text` as spoken, and the engine that spoke it."""
    spoken = session.post(
        f"{url}/synthesize", json={"text": text, "language": language, **body}, timeout=TIMEOUT_S
    )
    spoken.raise_for_status()
    heard = session.post(
        f"{url}/v1/audio/transcriptions",
        files={"file": ("speech.wav", spoken.content, "audio/wav")},
        data={"language": language, "model": "whisper-1", "response_format": "json"},
        timeout=TIMEOUT_S,
    )
    heard.raise_for_status()
    return heard.json()["text"], spoken.headers.get("X-Engine", "")


def measure(
    session: requests.Session, url: str, language: str, body: Any, limit: int | None
) -> Any:
    """All sentences of one language: the total and every sentence's transcript."""
    lines = (SENTENCES / f"{language}.jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, Any]] = []
    scores: list[Score] = []
    for line in lines[:limit]:
        sentence = json.loads(line)
        heard, engine = read_back(session, url, sentence["text"], language, body)
        readings = [sentence["spoken"], *sentence.get("also", [])]
        digits = sentence.get("digits", False)
        scores.append(best_score(readings, heard, language, digits=digits))
        rows.append(
            {
                "text": sentence["text"],
                "spoken": sentence["spoken"],
                "heard": heard,
                "engine": engine,
                "errors": scores[-1].errors,
                "words": scores[-1].words,
            }
        )
    result = total(scores)
    return {
        "rate": result.rate,
        "errors": result.errors,
        "words": result.words,
        "engines": sorted({row["engine"] for row in rows}),
        "target": TARGETS.get(language),
        "sentences": rows,
    }


def main() -> int:
    """Measure, print, write `bench-results/tts_readback.{md,json}`; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--languages", nargs="*", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--engine", help="name of the engine that is to speak")
    parser.add_argument("--voice", help="name of the voice that is to speak")
    parser.add_argument("--limit", type=int, help="only the first sentences of each language")
    options = parser.parse_args()
    session = requests.Session()
    if token := os.environ.get("API_TOKEN"):
        session.headers["Authorization"] = f"Bearer {token}"
    body = {
        name: value
        for name, value in (("model", options.engine), ("voice", options.voice))
        if value
    }
    results = {
        language: measure(session, options.url, language, body, options.limit)
        for language in options.languages
    }
    rows = [
        [language, ", ".join(found["engines"]), len(found["sentences"]), found["words"],
         f"{found['rate']:.1%}", f"{found['target']:.0%}"]
        for language, found in results.items()
    ]  # fmt: skip
    headers = ["language", "engine", "sentences", "words", "word error rate", "target"]
    report.write("tts_readback", "Speech read back", METHOD, report.table(headers, rows), results)
    return int(any(found["rate"] > found["target"] for found in results.values()))


if __name__ == "__main__":
    sys.exit(main())
