"""Speed of the whole mesh: load time, real-time factor, first audio, joins, loudness, memory."""

from __future__ import annotations

import argparse
import base64
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import requests
import websocket

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import report
from tests.bench.plot import bars
from tts_service.sound.loudness import integrated_lufs

RATE = 24_000
SPEECH = Path(os.environ.get("VOICEMESH_SPEECH", Path(__file__).parents[3] / "shared" / "speech"))
TEXTS = {
    ("hibari", "en"): "The train to Boston leaves at half past nine, from platform four. "
    "Please keep your ticket ready. It will be checked on board, before we arrive.",
    ("kokoro", "es"): "El tren a Sevilla sale a las nueve y media, del andén cuatro. "
    "Tengan preparado el billete. Se revisará a bordo, antes de llegar.",
    ("kokoro", "pt"): "O trem para Campinas sai às nove e meia, da plataforma quatro. "
    "Tenham o bilhete em mãos. Ele será conferido a bordo, antes da chegada.",
}
METHOD = """
One client on the same machine, one request at a time, connections kept, {count} counted
repetitions after one that is not; medians. **First audio**: from sending the request to the
first byte after the 44-byte WAV header (`POST /synthesize`), for a text of three sentences.
**RTF**: time to the last byte over the length of the audio. **Answer**: from the last byte of a
spoken question of a few seconds, sent over `WS /ws?stream=1`, to the first byte of speech; the
question's end is its last byte, since there is no endpointing in that dialect. **Load**: as
each engine reports it in `/readyz`. **Memory**: proportional set size (PSS) of each process at
the end. **Joins**: the largest step between neighbouring samples within 5 ms of a chunk
boundary (`stream_format=sse`, `response_format=pcm`) over the largest step elsewhere in the
same speech; above 1 would be a click. **Loudness**: integrated, ITU-R BS.1770, of the same
speech.
"""


def synthesize(
    session: requests.Session, url: str, body: dict[str, Any]
) -> tuple[float, float, float]:
    """Seconds to the first audio byte and to the last, and seconds of audio."""
    started = time.perf_counter()
    first = 0.0
    size = 0
    with session.post(f"{url}/synthesize", json=body, stream=True, timeout=180) as answer:
        answer.raise_for_status()
        while piece := answer.raw.read1(1 << 16):
            size += len(piece)
            if not first and size > 44:
                first = time.perf_counter() - started
    return first, time.perf_counter() - started, (size - 44) / 2 / RATE


def chunks_of(session: requests.Session, url: str, text: str, language: str) -> list[Any]:
    """The int16 chunks of a speech, as they were made."""
    body = {
        "input": text,
        "model": "tts-1",
        "voice": "alloy",
        "language": language,
        "response_format": "pcm",
        "stream_format": "sse",
    }
    found = []
    with session.post(f"{url}/v1/audio/speech", json=body, stream=True, timeout=180) as answer:
        for line in answer.iter_lines():
            if line.startswith(b"data: {"):
                event = json.loads(line[6:])
                if event["type"] == "speech.audio.delta":
                    found.append(np.frombuffer(base64.b64decode(event["audio"]), "<i2"))
    return found


def join_steps(chunks: list[Any]) -> tuple[float, float]:
    """Largest step near a chunk boundary and largest elsewhere, of full scale."""
    samples = np.concatenate(chunks).astype(np.float64) / 32768
    steps = np.abs(np.diff(samples))
    near = np.zeros(len(steps), bool)
    reach = RATE * 5 // 1000
    for edge in np.cumsum([len(chunk) for chunk in chunks])[:-1]:
        near[max(0, edge - reach) : edge + reach] = True
    return float(steps[near].max(initial=0.0)), float(steps[~near].max(initial=1e-9))


def answer_time(url: str, token: str | None, question: bytes) -> float:
    """Seconds from the end of a spoken question to the first byte of the spoken answer."""
    host = urlsplit(url).netloc
    header = [f"Authorization: Bearer {token}"] if token else []
    socket = websocket.create_connection(f"ws://{host}/ws?stream=1", header=header, timeout=120)
    try:
        started = time.perf_counter()
        socket.send_binary(question)
        first = 0.0
        while True:
            message = socket.recv()
            if isinstance(message, bytes):
                first = first or time.perf_counter() - started
            elif json.loads(message).get("event") in ("end", "error"):
                return first
    finally:
        socket.close()


def memory() -> dict[str, float]:
    """PSS of each service's processes, MiB."""
    names = ("gateway.app", "tts_service.app", "stt_service.app", "voice_agent.app")
    found = dict.fromkeys(names, 0.0)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
            name = next((n for n in names if n in command and "gunicorn" in command), None)
            if name is None:
                continue
            for line in (folder / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    found[name] += int(line.split()[1]) / 1024
        except OSError:
            continue
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--tts", default="http://127.0.0.1:5000")
    parser.add_argument("--stt", default="http://127.0.0.1:5001")
    parser.add_argument("--agent", default="http://127.0.0.1:5002")
    parser.add_argument("--count", type=int, default=9)
    options = parser.parse_args()
    token = os.environ.get("MESH_TOKEN")
    session = requests.Session()
    if token:
        session.headers["Authorization"] = f"Bearer {token}"
    results: dict[str, Any] = {}

    loads = {}
    for service in (options.tts, options.stt, options.agent):
        engines = session.get(f"{service}/readyz").json()["engines"]
        loads |= {name: entry.get("load_seconds") for name, entry in engines.items()}
    results["load_s"] = loads

    speech_rows = []
    for (engine, language), text in TEXTS.items():
        body = {"text": text, "language": language}
        runs = [synthesize(session, options.url, body) for _ in range(options.count + 1)][1:]
        first = statistics.median(run[0] for run in runs)
        rtf = statistics.median(run[1] / run[2] for run in runs)
        chunks = chunks_of(session, options.url, text, language)
        near, elsewhere = join_steps(chunks)
        samples = np.concatenate(chunks)
        loudness = integrated_lufs(samples.astype(np.float32) / 32768, RATE)
        peak = float(np.abs(samples.astype(np.int32)).max()) / 32768
        speech_rows.append((engine, language, first, rtf, near / elsewhere, loudness, peak))
        results[f"tts_{engine}_{language}"] = {
            "first_audio_s": first,
            "rtf": rtf,
            "join_step_ratio": near / elsewhere,
            "lufs": loudness,
            "peak": peak,
        }
    tables = report.table(
        ("engine", "language", "first audio, s", "RTF", "join step ratio", "LUFS", "peak"),
        speech_rows,
    )

    stt_rows = []
    for name in (
        "awkward/short_1.9s.wav",
        "speech/en_04.flac",
        "speech/en_05.flac",
        "long/long_en_ljspeech.mp3",
    ):
        path = SPEECH / name
        if not path.exists():
            continue
        data = path.read_bytes()
        times = []
        for _ in range(options.count + 1):
            started = time.perf_counter()
            answer = session.post(
                f"{options.url}/transcribe",
                data=data,
                headers={"Content-Type": "application/octet-stream"},
                timeout=180,
            )
            times.append(time.perf_counter() - started)
        seconds = float(answer.headers["X-Audio-Duration"])
        median = statistics.median(times[1:])
        stt_rows.append((name, seconds, median, median / seconds))
        results[f"stt_{name}"] = {"audio_s": seconds, "seconds": median, "rtf": median / seconds}
    tables += "\n\n" + report.table(("recording", "length, s", "transcript, s", "RTF"), stt_rows)

    question = session.post(
        f"{options.tts}/synthesize",
        json={"text": "What is the capital of France?", "stream": False},
    ).content
    answers = [answer_time(options.url, token, question) for _ in range(options.count + 1)][1:]
    results["end_of_speech_to_first_audio_s"] = report.summary(answers)
    tables += (
        f"\n\nEnd of speech → first audio of the answer: median "
        f"{statistics.median(answers):.3f} s (p90 {report.quantile(answers, 0.9):.3f} s).\n\n"
    )
    tables += report.table(("engine", "load, s"), [(k, v) for k, v in loads.items() if v])
    results["pss_mib"] = memory()
    tables += "\n\n" + report.table(
        ("process", "PSS, MiB"), [(k, round(v)) for k, v in results["pss_mib"].items()]
    )
    firsts = {f"{e} {lang}": first for e, lang, first, *_ in speech_rows}
    firsts["spoken answer"] = statistics.median(answers)
    report.RESULTS.mkdir(parents=True, exist_ok=True)
    (report.RESULTS / "first_audio.svg").write_text(
        bars("Time to first audio, seconds", firsts), encoding="utf-8"
    )
    report.write("speed", "Speed", METHOD.format(count=options.count), tables, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
