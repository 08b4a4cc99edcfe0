"""Grapheme-to-phoneme through the espeak-ng program.

It runs as a separate process, since it is GPL-3 and has global state. Kokoro's Spanish, French,
Italian, Portuguese and Hindi voices were trained on its output.
"""

from __future__ import annotations

import re
import shutil
import subprocess

from shared.core.errors import EngineFailure, NotReady
from tts_service.text.g2p.tokens import PUNCTUATION, plain_punctuation
from tts_service.text.g2p.vocabulary import fit

PROGRAM = "espeak-ng"
TIMEOUT_S = 10.0

_MARKS = re.compile(rf"\s*([{re.escape(PUNCTUATION)}]+)\s*")
_SWITCH = re.compile(r"\([a-z-]{2,8}\)")  # "(en)": the voice it switched to for a foreign word


def available() -> bool:
    """Check whether the program is on the path."""
    return shutil.which(PROGRAM) is not None


def phonemize(text: str, language: str) -> str:
    """Convert text to Kokoro's alphabet with the espeak-ng program.

    The program drops punctuation, so it gets one clause per line and the marks are added again.

    Raises:
        NotReady: the program is not installed.
        EngineFailure: it failed or took longer than `TIMEOUT_S` seconds.
    """
    pieces = _MARKS.split(" ".join(plain_punctuation(text).split()))
    clauses = [piece for piece in pieces[::2] if piece]
    spoken = iter(_run(clauses, language))
    out: list[str] = []
    for index, piece in enumerate(pieces):
        if index % 2:
            out.append(piece if piece[0] in '("“' and len(piece) == 1 else f"{piece} ")
        elif piece:
            out.append(next(spoken))
    return fit("".join(out))


def _run(clauses: list[str], language: str) -> list[str]:
    if not clauses:
        return []
    command = [PROGRAM, "-q", "--ipa", "--tie=\u0361", "-v", language, "--stdin"]
    try:
        done = subprocess.run(
            command,
            input="\n\n".join(clauses),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=TIMEOUT_S,
            check=True,
        )
    except FileNotFoundError as error:
        raise NotReady(
            f"'{language}' needs the program {PROGRAM} on the path", code="g2p_not_installed"
        ) from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise EngineFailure(f"{PROGRAM} failed") from error
    lines = [_SWITCH.sub("", line).replace("-", "").strip() for line in done.stdout.splitlines()]
    lines = [line for line in lines if line]
    if len(lines) != len(clauses):
        raise EngineFailure(f"{PROGRAM} answered {len(lines)} lines for {len(clauses)}")
    return lines
