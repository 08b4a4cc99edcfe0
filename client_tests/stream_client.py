"""Ask for a voice and a text, save the streamed speech and play it where possible.

    python stream_client.py                                  asks for both; both may be empty
    python stream_client.py --text "Hola" --voice my_voice_sample.wav

Needs only ``requests``. With ``sounddevice`` installed the audio is also played while it arrives.
"""

from __future__ import annotations

import argparse
import importlib
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

DEFAULT_TEXT = (
    "Hola. Esta es una prueba del servicio de voz en modo streaming. "
    "El audio debería empezar a sonar casi de inmediato, mientras el resto todavía se genera."
)
DEFAULT_TEXT_LANGUAGE = "es"
HEADER_BYTES = 44
CHUNK_BYTES = 4096


def main() -> int:
    """Request the speech and return the exit status: 0 when all of it was saved."""
    options = parse_arguments()
    body = ask(options) if options.text is None and options.voice is None else given(options)
    headers = {"Authorization": f"Bearer {options.token}"} if options.token else {}
    started = time.monotonic()
    try:
        with requests.post(
            f"{options.url.rstrip('/')}/api/tts/stream",
            json=body,
            headers=headers,
            stream=True,
            timeout=(5, 300),
        ) as answer:
            if answer.status_code != requests.codes.ok:
                print(f"the service answered {answer.status_code}: {message_of(answer)}")
                return 1
            save(answer, options.output, started, options.play)
    except requests.RequestException as error:
        print(f"no whole answer from {options.url}: {type(error).__name__}")
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    """Parse the command line; without --text and --voice the user is asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--url", default="http://localhost:8000", help="of the service")
    parser.add_argument("--token", help="bearer token, where the service wants one")
    parser.add_argument("--voice", help="file in the service's voices folder; empty: its default")
    parser.add_argument("--text", help="what to say; empty: a sample text")
    parser.add_argument("--language", help="of the text; empty: the service's default")
    parser.add_argument("--output", type=Path, default=Path("stream_output.wav"))
    parser.add_argument("--no-play", dest="play", action="store_false", help="only save the file")
    return parser.parse_args()


def ask(options: argparse.Namespace) -> dict[str, str]:
    """Read voice and text from the user and return the request."""
    try:
        options.voice = input("Voice file name (empty: the server's default): ").strip()
        options.text = input("Text (empty: a sample text): ").strip()
    except EOFError:
        print()
    return given(options)


def given(options: argparse.Namespace) -> dict[str, str]:
    """Return the request without empty fields, so that the server's defaults apply."""
    language = options.language or ("" if options.text else DEFAULT_TEXT_LANGUAGE)
    fields = {
        "text": options.text or DEFAULT_TEXT,
        "voice_sample": options.voice,
        "language": language,
    }
    return {name: value for name, value in fields.items() if value}


def message_of(answer: requests.Response) -> str:
    """Return the error message in the response body, else the HTTP reason."""
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.reason or "no message"


def save(answer: requests.Response, path: Path, started: float, play: bool) -> None:
    """Write (and play) the chunks as they arrive, then fill in the lengths of the WAV header.

    Raises:
        requests.RequestException: the response broke off.
    """
    chunks = answer.iter_content(CHUNK_BYTES)
    head = b""
    while len(head) <= HEADER_BYTES:
        head += next(chunks, b"") or no_sound()
    print(f"first audio after {time.monotonic() - started:.3f} s")
    (rate,) = struct.unpack_from("<I", head, 24)
    with path.open("wb") as out, speaker(rate, play) as sound:
        out.write(head)
        sound(head[HEADER_BYTES:])
        for chunk in chunks:
            out.write(chunk)
            sound(chunk)
        size = out.tell()
    fill_in_lengths(path, size)
    seconds = (size - HEADER_BYTES) / (2 * rate)
    engine = answer.headers.get("X-Engine", "unknown engine")
    print(f"{path}: {seconds:.2f} s of sound after {time.monotonic() - started:.3f} s, {engine}")


def no_sound() -> bytes:
    """Raise the error for a response that ended before any audio."""
    raise requests.exceptions.ChunkedEncodingError("no sound in the answer")


@contextmanager
def speaker(rate: int, play: bool) -> Iterator[Callable[[bytes], None]]:
    """Return a function that plays mono s16le samples, or does nothing where it cannot.

    Args:
        rate: sample rate, Hz.
        play: whether to play.
    """
    if not play:
        yield lambda _samples: None
        return
    try:
        # Imported only here: it is optional and needs an audio library of the system.
        sounddevice = importlib.import_module("sounddevice")
        stream = sounddevice.RawOutputStream(samplerate=rate, channels=1, dtype="int16")
    except (ImportError, OSError) as error:
        print(f"not played ({error}); to hear it: pip install sounddevice")
        yield lambda _samples: None
        return
    half = b""

    def sound(data: bytes) -> None:
        nonlocal half
        data = half + data
        whole = len(data) & ~1  # a chunk may end within a sample
        half = data[whole:]
        stream.write(data[:whole])

    with stream:
        yield sound


def fill_in_lengths(path: Path, size: int) -> None:
    """Write the final lengths into the header of a streamed WAV."""
    with path.open("r+b") as wav:
        wav.seek(4)
        wav.write(struct.pack("<I", size - 8))
        wav.seek(HEADER_BYTES - 4)
        wav.write(struct.pack("<I", size - HEADER_BYTES))


if __name__ == "__main__":
    sys.exit(main())
