"""Cache finished answers under a digest of everything that decides how they sound."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import logging
import queue
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from shared.audio.encode import encode
from shared.audio.pcm import AudioFormat, Pcm16, PcmStream
from shared.cache.base import Cache, cache_key
from shared.core.metrics import CACHE_EVENTS
from shared.core.streaming import close_quietly
from tts_service.engines.base import Piece, Reference, TtsEngine
from tts_service.synthesis.engine_choice import Choice
from tts_service.synthesis.metering import MeteredSpeech

log = logging.getLogger(__name__)

NAME = "result"
"""Label of the metric: ``hit``, ``miss``, ``error`` (damaged), ``dropped`` (could not keep up)."""
LONGEST_BYTES = 16 << 20
"""PCM of the longest answer that is kept, bytes: about six minutes at 24 kHz. An answer is held in
memory until its end has been read."""
_WAITING = 8
"""Finished answers that may wait to be encoded and stored; further ones are dropped."""
_CLOSE_S = 5.0
_MAGIC = b"vmr1"
_HEAD = struct.Struct(">4sI")
_DIGEST_BYTES = 16
_KEPT_HEADERS = frozenset(
    {"X-Engine", "X-Voice", "X-Language", "X-Sample-Rate", "X-Voice-Method", "X-Voice-Similarity"}
)
"""Headers about the sound. Others, such as ignored parameters, belong to one request."""
_SOUND_LIBRARIES = (
    "hibari-tts", "piper-plus-g2p", "gruut-lang-fr", "pypinyin", "pyopenjtalk-plus", "num2words",
    "babel", "onnxruntime", "torch", "nemo_toolkit", "coqui-tts", "transformers",
)  # fmt: skip
"""Packages whose version may change how a text is read or how a model sounds."""


@dataclass(frozen=True, slots=True)
class _Finished:
    """An answer that was read to its end, as it goes to the writer thread."""

    key: str
    engine: str
    sample_rate: int
    headers: dict[str, str]
    chunks: list[Pcm16]


class ResultCache:
    """Finished answers in a :class:`Cache`, compressed losslessly (FLAC), with their headers.

    An answer is kept when one engine made all of it and it was read to its end. Encoding and
    storing happen in a thread of their own, so that the end of an answer does not wait for them.

    Args:
        cache: keeps the bytes; guarded, because nothing here waits for a store that is down.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._build = build_facts()
        self._finished: queue.Queue[_Finished | None] = queue.Queue(_WAITING)
        self._writer = threading.Thread(target=self._write, name="result-cache", daemon=True)
        self._writer.start()

    def key(
        self,
        engine: TtsEngine,
        choice: Choice,
        pieces: tuple[Piece, ...],
        reference: Reference | None,
        speed: float,
        parameters: Mapping[str, Any],
    ) -> str:
        """Return a digest of all that decides the sound; the answer's container is left out.

        Args:
            engine: its name, model, device kind and :meth:`TtsEngine.fingerprint` count.
            choice: language and voice.
            pieces: the normalised text in pieces, with their pauses.
            reference: the recording to follow; its content counts, its name does not.
            speed: as the engine gets it.
            parameters: those that the engine honours, such as a seed.
        """
        return cache_key(
            build=self._build,
            engine=engine.spec.name,
            model=engine.spec.model,
            # A GPU draws other random numbers from one seed than a processor, and rounds otherwise.
            device=engine.device.partition(":")[0],
            fingerprint=engine.fingerprint(),
            sample_rate=engine.spec.sample_rate,
            language=choice.language,
            voice=choice.voice.id,
            pieces=[[piece.text, piece.pause_s] for piece in pieces],
            reference=None if reference is None else reference.audio,
            transcript="" if reference is None else reference.transcript,
            method=engine.spec.cloning,
            speed=speed,
            parameters=parameters,
        )

    def recall(self, key: str, started: float) -> PcmStream | None:
        """Return the answer under ``key``, ready to stream, or None.

        A damaged entry is logged and deleted, and counts as a miss too.

        Args:
            key: of :meth:`key`.
            started: when the request came, ``time.monotonic()``.
        """
        data = self._cache.get(key)
        stream = None if data is None else self._read(key, data, started)
        self._count("miss" if stream is None else "hit")
        return stream

    def record(self, key: str, stream: PcmStream) -> PcmStream:
        """Return ``stream``; it is kept under ``key`` once it has been read to its end."""

        def finished(chunks: list[Pcm16]) -> None:
            self._keep(key, stream, chunks)

        stream.chunks = _Recording(iter(stream.chunks), finished)
        return stream

    def close(self) -> None:
        """Store finished answers for at most a few seconds, and close the cache."""
        if self._writer.is_alive():
            try:
                self._finished.put(None, timeout=_CLOSE_S)
                self._writer.join(_CLOSE_S)
            except queue.Full:
                log.warning("finished answers are not stored: the cache is too slow")
        self._cache.close()

    def _keep(self, key: str, stream: PcmStream, chunks: list[Pcm16]) -> None:
        if "X-Fallback" in stream.headers:
            return
        headers = {n: v for n, v in stream.headers.items() if n in _KEPT_HEADERS}
        rate = stream.format.sample_rate
        try:
            self._finished.put_nowait(_Finished(key, stream.engine, rate, headers, chunks))
        except queue.Full:
            self._count("dropped")

    def _write(self) -> None:
        while (finished := self._finished.get()) is not None:
            try:
                self._cache.put(finished.key, _packed(finished))
            except Exception as error:
                # The next answer must still be stored, whatever was wrong with this one.
                self._count("error")
                log.error("an answer was not stored", extra={"error": type(error).__name__})
            finally:
                self._finished.task_done()

    def _read(self, key: str, data: bytes, started: float) -> PcmStream | None:
        try:
            facts, flac = _unpacked(data)
            rate = int(facts["sample_rate"])
            stream = PcmStream(AudioFormat(rate), iter(()), str(facts["engine"]), facts["headers"])
            # The engine's own figures must not look better than it is.
            stream.chunks = MeteredSpeech(_decoded(flac), "cache", rate, started)
        except (ValueError, KeyError, TypeError, av.FFmpegError) as error:
            log.warning("a remembered answer is damaged", extra={"error": type(error).__name__})
            self._count("error")
            self._cache.delete(key)
            return None
        return stream

    def _count(self, event: str) -> None:
        CACHE_EVENTS.labels(cache=NAME, event=event).inc()


class _Recording(Iterator[Pcm16]):
    """Passes chunks on, and gives all of them to ``finished`` once the source has ended."""

    def __init__(self, source: Iterator[Pcm16], finished: Callable[[list[Pcm16]], None]) -> None:
        self._source = source
        self._finished = finished
        self._kept: list[Pcm16] | None = []
        self._bytes = 0

    def __next__(self) -> Pcm16:
        try:
            chunk = next(self._source)
        except StopIteration:
            kept, self._kept = self._kept, None
            if kept:
                self._finished(kept)
            raise
        except BaseException:
            self._kept = None
            raise
        if self._kept is not None:
            self._bytes += chunk.nbytes
            self._kept.append(chunk)
            if self._bytes > LONGEST_BYTES:
                self._kept = None
        return chunk

    def close(self) -> None:
        """Close the source; an answer that was not read to its end is not kept."""
        self._kept = None
        close_quietly(self._source)


def build_facts() -> dict[str, object]:
    """Return a digest of the code and the versions of the libraries that decide the sound.

    With the code's digest every change of normalisation, joins or loudness changes the keys. A
    version number kept by hand would miss one sooner or later.
    """
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for folder in (root, root.parent / "shared"):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".json", ".npz") and path.is_file():
                digest.update(str(path.relative_to(root.parent)).encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return {
        "code": digest.hexdigest(),
        "libraries": {name: _version(name) for name in _SOUND_LIBRARIES},
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _packed(finished: _Finished) -> bytes:
    fmt = AudioFormat(finished.sample_rate)
    facts = {
        "engine": finished.engine,
        "sample_rate": finished.sample_rate,
        "headers": finished.headers,
    }
    head = json.dumps(facts).encode()
    body = b"".join(
        (
            _HEAD.pack(_MAGIC, len(head)),
            head,
            encode(np.concatenate(finished.chunks), fmt, "flac"),
        )
    )
    return body + _digest(body)


def _unpacked(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the facts and the FLAC bytes of an entry.

    Raises:
        ValueError: the entry is cut, changed or of another kind.
    """
    body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if len(body) < _HEAD.size or _digest(body) != digest:
        raise ValueError("the digest is another one")
    magic, length = _HEAD.unpack_from(body)
    if magic != _MAGIC:
        raise ValueError("another kind of entry")
    split = _HEAD.size + length
    return json.loads(body[_HEAD.size : split]), body[split:]


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()


def _decoded(flac: bytes) -> Iterator[Pcm16]:
    with av.open(io.BytesIO(flac), "r", format="flac") as container:
        for frame in container.decode(audio=0):
            yield frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)
