"""A spoken conversation over a WebSocket: one recording in, words and a spoken answer out.

    pip install websocket-client
    python voice_chat.py question.wav another_question.wav

Every file is one turn of the same conversation, which the mesh remembers; the answers are written
to answer-1.wav, answer-2.wav, …
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import websocket


def main() -> None:
    """Ask every file given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("questions", nargs="+", type=Path, metavar="FILE.wav")
    parser.add_argument("--url", default="ws://localhost:8000")
    parser.add_argument("--token", help="bearer token, where the mesh wants one")
    options = parser.parse_args()
    header = [f"Authorization: Bearer {options.token}"] if options.token else []
    # Programs are no web pages: without an Origin header the mesh need not ask whose page it is.
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
    """Print the words of one turn and write its sound.

    Raises:
        SystemExit: the mesh says what is wrong.
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
