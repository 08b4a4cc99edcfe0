"""Synthesize a text without a server and write it to a file (``voz_generada.wav``).

    python scripts/tts_test.py
    python scripts/tts_test.py "Hola, ¿qué tal?" --language es
    python scripts/tts_test.py "Hello." --engine nemo          # FastPitch + HiFiGAN
    python scripts/tts_test.py "Olá!" --language pt --sample voices/me.wav -o me_too.wav

Without ``--engine``, the first of hibari and Kokoro that supports the language is used.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared.audio.encode import encode
from shared.core.errors import InvalidRequest, MeshError, UnknownVoice
from tts_service.engines import REGISTRY
from tts_service.engines.base import Reference, SynthesisRequest, TtsEngine
from tts_service.settings import TtsSettings
from tts_service.synthesis.engine_choice import Choice, ReadyEngine, VoiceQuery, choose
from tts_service.text.language_tags import base, resolve
from tts_service.text.pieces import pieces_of

ENGINES = ("hibari", "kokoro")
TEXTS = {
    "en": "This is a test of the voice, spoken without a server.",
    "es": "Esta es una prueba de la voz, hablada sin servidor.",
    "fr": "Ceci est un essai de la voix, sans serveur.",
    "it": "Questa è una prova della voce, senza server.",
    "pt": "Este é um teste da voz, falado sem servidor.",
}


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("text", nargs="?", help="what to say; a sentence of the language")
    parser.add_argument("-l", "--language", help="tag, as es or pt-br; TTS_LANGUAGE")
    parser.add_argument("-v", "--voice", help="a voice of the engine")
    parser.add_argument("-e", "--engine", choices=REGISTRY.names, help="which engine speaks")
    parser.add_argument("-s", "--speed", type=float, default=1.0, help="0.25 to 4; 1")
    parser.add_argument("--sample", type=Path, help="a recording of the voice to follow")
    parser.add_argument("-o", "--output", type=Path, default=Path("voz_generada.wav"))
    parsed = parser.parse_args(given)
    if not 0.25 <= parsed.speed <= 4:
        parser.error("the speed is 0.25 to 4")
    return parsed


def candidates(args: argparse.Namespace, settings: TtsSettings) -> Iterator[TtsEngine]:
    """Yield the engines that may support the request, best first, not yet loaded."""
    if args.engine:
        yield REGISTRY.build(args.engine, settings)
        return
    language = args.language or (None if args.voice else settings.tts_language)
    for name in ENGINES:
        engine: TtsEngine = REGISTRY.build(name, settings)
        if args.sample is not None and engine.spec.cloning == "none":
            continue
        if language is not None:
            try:
                resolve(language, engine.spec.languages)
            except InvalidRequest:
                continue
        yield engine


def ready(args: argparse.Namespace, settings: TtsSettings) -> tuple[TtsEngine, Choice]:
    """Return a loaded engine with the voice and language it uses.

    Raises:
        MeshError: no engine supports the request; the error is that of the last one.
    """
    fault: MeshError = InvalidRequest(
        f"none of {', '.join(ENGINES)} speaks '{args.language or settings.tts_language}'"
    )
    query = VoiceQuery(
        settings.tts_language, args.language, args.voice, None, args.sample is not None
    )
    for engine in candidates(args, settings):
        engine.load()
        engine.warm_up()
        try:
            return engine, choose(query, [ReadyEngine(engine.spec, tuple(engine.voices()))])[0]
        except (InvalidRequest, UnknownVoice) as error:
            engine.close()
            fault = error
    raise fault


def speak(args: argparse.Namespace, settings: TtsSettings) -> str:
    """Synthesize the text, write the file and return a summary for the user.

    Raises:
        MeshError: synthesis failed.
    """
    sample = None
    if args.sample is not None:
        sample = Reference(args.sample.read_bytes(), args.sample.stem)
    engine, choice = ready(args, settings)
    try:
        text = args.text or TEXTS.get(base(choice.language), TEXTS["en"])
        prepared = engine.prepare(sample) if sample is not None else None
        started = time.monotonic()
        stream = engine.synthesize(
            SynthesisRequest(
                pieces=pieces_of(text, choice.language, first_clause_chars=None),
                language=choice.language,
                voice=choice.voice,
                prepared=prepared,
                speed=args.speed,
            )
        )
        pcm = np.concatenate(list(stream.chunks))
        took_s = time.monotonic() - started
    finally:
        engine.close()
    args.output.write_bytes(encode(pcm, stream.format, "wav"))
    seconds = pcm.size / stream.format.sample_rate
    voice = choice.voice.id if prepared is None else f"{prepared.id} ({prepared.method})"
    return (
        f"{args.output}: {seconds:.1f} s at {stream.format.sample_rate} Hz by {engine.spec.name}, "
        f"voice {voice}, {choice.language}; made in {took_s:.2f} s on {engine.device}"
    )


def main(given: Sequence[str] | None = None) -> int:
    """Run the script and return the exit status: 1, with a message, if nothing was written."""
    args = arguments(given)
    try:
        print(speak(args, TtsSettings()))
    except MeshError as error:
        print(f"tts_test: {error.message}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"tts_test: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
