"""Measure the loudness of every Kokoro voice and write the table that the engine reads.

Each voice speaks the engine's calibration phonemes at speed 1. The table holds the integrated
loudness of the raw model output according to ITU-R BS.1770-4 (``tts_service/sound/loudness.py``).
Run it again when the model or its styles change: ``python scripts/measure_voice_loudness.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

from tts_service.engines.kokoro import KokoroEngine
from tts_service.settings import TtsSettings

TABLE = Path(__file__).parent.parent / "tts_service" / "engines" / "kokoro_loudness.json"


def main() -> None:
    """Measure all voices, print the results and write the table."""
    settings = TtsSettings()
    engine = KokoroEngine(settings.home, settings.threads)
    engine.load()
    lufs = {}
    for voice in engine.style_names():
        lufs[voice] = round(engine.measure(voice), 2)
        print(f"{voice:16} {lufs[voice]:7.2f} LUFS", flush=True)
    table = {
        "model": engine.spec.model,
        "method": "ITU-R BS.1770-4, calibration phonemes, speed 1, no gain",
        "lufs": lufs,
    }
    TABLE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    engine.close()


if __name__ == "__main__":
    main()
