"""Voice matching judged by measures that did not choose: pitch and long-term spectrum."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path

import numpy as np
import requests

sys.path.insert(0, str(Path(__file__).parents[2]))

from shared.audio.decode import decode
from tests.bench import report
from tts_service.voices.matching.pitch import median_pitch
from tts_service.voices.matching.speaker_encoder import (
    SAMPLE_RATE,
    mel_filters,
    spectrogram,
    speech_only,
)

SPEECH = Path(os.environ.get("VOICEMESH_SPEECH", Path(__file__).parents[3] / "shared" / "speech"))
METHOD = """
One recording of each speaker of the manifest's `speech` rows goes to `POST /generate-voice` as
`sample`; the answer is compared with another recording of the same speaker where there is one,
else with the sample. Two measures: the distance of the median pitch (autocorrelation, semitones),
which limits the candidates to a register and does not choose among them, and of the long-term mel
spectrum (root mean square over 40 bands, level removed, dB), which had no part in the choice. For
comparison: the default voice saying the same (what one gets without matching), the speaker's own
second recording (the floor) and other speakers' recordings (what unrelated voices differ by).
Medians over speakers. Both measures are crude: they know register and timbre, not identity.
"""
TEXT = "The weather is nice today, so we will walk to the river and have lunch there."


def timbre(samples: np.ndarray) -> np.ndarray:
    """Long-term mel spectrum in dB, its mean removed."""
    mel = 10 * np.log10(spectrogram(samples, mel_filters()).mean(axis=0) + 1e-10)
    return mel - mel.mean()


def features(data: bytes) -> tuple[float, np.ndarray]:
    samples = speech_only(decode(data, sample_rate=SAMPLE_RATE, max_seconds=600))
    pitch = median_pitch(samples)
    return float("nan") if pitch is None else pitch, timbre(samples)


def distance(one: tuple[float, np.ndarray], two: tuple[float, np.ndarray]) -> tuple[float, float]:
    return abs(one[0] - two[0]), float(np.sqrt(np.mean((one[1] - two[1]) ** 2)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--limit", type=int, default=12, help="speakers")
    options = parser.parse_args()
    session = requests.Session()
    if token := os.environ.get("MESH_TOKEN"):
        session.headers["Authorization"] = f"Bearer {token}"
    by_speaker: dict[str, list[Path]] = {}
    for line in (SPEECH / "manifest.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["kind"] == "speech" and row["speaker"] and row["seconds"] > 3:
            by_speaker.setdefault(row["speaker"], []).append(SPEECH / row["file"])
    speakers = dict(list(by_speaker.items())[: options.limit])
    truth = {name: features(files[-1].read_bytes()) for name, files in speakers.items()}
    plain = session.post(
        f"{options.url}/v1/audio/speech",
        json={"input": TEXT, "voice": "af_heart", "response_format": "wav"},
    )
    plain.raise_for_status()
    default = features(plain.content)
    found: dict[str, list[tuple[float, float]]] = {
        "matched": [],
        "default voice": [],
        "same speaker": [],
        "other speakers": [],
    }
    claimed = []
    for name, files in speakers.items():
        answer = session.post(
            f"{options.url}/generate-voice",
            data={"text": TEXT, "language": "en"},
            files={"sample": files[0].read_bytes()},
            timeout=180,
        )
        answer.raise_for_status()
        claimed.append(float(answer.headers["X-Voice-Similarity"]))
        found["matched"].append(distance(features(answer.content), truth[name]))
        found["default voice"].append(distance(default, truth[name]))
        if len(files) > 1:
            own = features(files[0].read_bytes())
            found["same speaker"].append(distance(own, truth[name]))
        others = [distance(truth[other], truth[name]) for other in truth if other != name]
        found["other speakers"] += others
    rows = [
        (
            kind,
            len(values),
            statistics.median(v[0] for v in values),
            statistics.median(v[1] for v in values),
        )
        for kind, values in found.items()
        if values
    ]
    headers = ("compared with the speaker", "n", "pitch, semitones", "spectrum, dB")
    text = report.table(headers, rows)
    text += (
        f"\n\nSimilarity claimed by the choosing encoder: median {statistics.median(claimed):.2f}."
    )
    data = {**found, "claimed": claimed}
    report.write("voice_matching", "Voice matching", METHOD, text, data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
