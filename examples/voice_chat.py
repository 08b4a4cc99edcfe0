"""Hold a spoken conversation over a WebSocket: send recordings, get transcripts and spoken replies.

    pip install websocket-client
    python voice_chat.py question.wav another_question.wav

Each file is one turn of the same conversation, which the mesh remembers. The replies are written to
answer-1.wav, answer-2.wav, …
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import websocket


def main() -> None:
    """Send all given files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("questions", nargs="+", type=Path, metavar="FILE.wav")
    parser.add_argument("--url", default="ws://localhost:8000")
    parser.add_argument("--token", help="bearer token, where the mesh wants one")
    options = parser.parse_args()
    header = [f"Authorization: Bearer {options.token}"] if options.token else []
    # Without an Origin header the mesh does not check it: only web pages need one.
    socket = websocket.create_connection(
        f"{options.url}/ws", timeout=300, header=header, suppress_origin=True
    )
    try:
        for number, question in enumerate(options.questions, start=1):
            socket.send_binary(question.read_bytes())
            ask(socket, Path(f"answer-{number}.wav"))
    finally:
        socket.close()


def ask(socket: websocket.WebSocket, answer: Path) -> None:
    """Print the texts of one turn and write its audio.

    Raises:
        SystemExit: the mesh reports an error.
    """
    words = json.loads(socket.recv())
    if "error" in words:
        sys.exit(words["error"]["message"])
    print(f"you:  {words['transcription']}")
    if words.get("event") == "no_speech":
        return
    print(f"mesh: {words['llama']}")
    sound = socket.recv()
    if isinstance(sound, str):
        sys.exit(json.loads(sound)["error"]["message"])
    answer.write_bytes(sound)


if __name__ == "__main__":
    main()
