"""Clients that ask an engine for something one thing after the other, several of them at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.bench.report import quantile

PATIENCE_S = 600.0


@dataclass(slots=True)
class Answer:
    """What one request got: seconds to its first and last result, and seconds of audio."""

    first_s: float
    total_s: float
    audio_s: float


@dataclass(slots=True)
class Load:
    """What all clients got, and how long it took from their common start to the last answer."""

    answers: list[Answer] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    audio_s: list[float] = field(default_factory=list)

    def add(self, answers: list[Answer], wall_s: float) -> None:
        """One more round."""
        self.answers += answers
        self.wall_s.append(wall_s)
        self.audio_s.append(sum(answer.audio_s for answer in answers))

    def throughputs(self) -> list[float]:
        """Seconds of audio a second, of each round."""
        return [audio / wall for audio, wall in zip(self.audio_s, self.wall_s, strict=True)]

    def summary(self) -> dict[str, Any]:
        """Medians; times in seconds."""
        firsts = [answer.first_s for answer in self.answers]
        totals = [answer.total_s for answer in self.answers]
        return {
            "requests": len(self.answers),
            "audio_p50_s": quantile([answer.audio_s for answer in self.answers], 0.5),
            "first_p50_s": quantile(firsts, 0.5),
            "first_p95_s": quantile(firsts, 0.95),
            "total_p50_s": quantile(totals, 0.5),
            "total_p95_s": quantile(totals, 0.95),
            "rtf_p50": quantile([a.total_s / a.audio_s for a in self.answers], 0.5),
            "throughput": quantile(self.throughputs(), 0.5),
        }


def run(
    load: Load, clients: int, requests: int, ask: Callable[[int, int], Answer]
) -> dict[int, Answer]:
    """One round: each client sends its requests one after the other.

    Args:
        load: takes what they got.
        clients: at once, from a common start.
        requests: of each.
        ask: client and number of its request → answer.

    Raises:
        Exception: the first that a client met.
    """
    answers: list[Answer] = []
    last: dict[int, Answer] = {}
    failures: list[Exception] = []
    start = threading.Barrier(clients + 1)

    def work(client: int) -> None:
        start.wait(PATIENCE_S)
        try:
            for number in range(requests):
                last[client] = ask(client, number)
                answers.append(last[client])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(clients)]
    for thread in threads:
        thread.start()
    start.wait(PATIENCE_S)
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    wall_s = time.perf_counter() - began
    if failures:
        raise failures[0]
    load.add(answers, wall_s)
    return last
