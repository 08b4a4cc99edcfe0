"""Synthesise text over a WebSocket: send JSON, receive audio while it is generated.

    pip install websockets
    python ws_tts.py "Olá, mundo!" --language pt

Writes ws_tts.wav. Any client needs the same loop: binary messages are audio, JSON messages are
events, and ``end`` is the last event of an answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

import websockets


async def speak(url: str, token: str | None, text: str, language: str, output: Path) -> None:
    """Request one text and write its audio.

    Raises:
        SystemExit: the service reports an error.
    """
    started = time.monotonic()
    first = 0.0
    headers = {"Authorization": f"Bearer {token}"} if token else None
    async with websockets.connect(f"{url}/ws/tts", additional_headers=headers) as socket:
        await socket.send(json.dumps({"text": text, "language": language}))
        with output.open("wb") as out:
            while True:
                message = await socket.recv()
                if isinstance(message, bytes):
                    first = first or time.monotonic() - started
                    out.write(message)
                    continue
                event = json.loads(message)
                if "error" in event:
                    sys.exit(event["error"]["message"])
                if event.get("event") == "end":
                    break
    print(
        f"{output}: first audio after {first:.3f} s, all after {time.monotonic() - started:.3f} s"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("text", nargs="?", default="Olá, mundo!")
    parser.add_argument("--language", default="pt")
    parser.add_argument("--url", default="ws://localhost:8000")
    parser.add_argument("--token", help="bearer token, where the mesh wants one")
    parser.add_argument("--output", type=Path, default=Path("ws_tts.wav"))
    options = parser.parse_args()
    asyncio.run(speak(options.url, options.token, options.text, options.language, options.output))
