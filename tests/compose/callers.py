"""Callers that ask again and again while things break, and what each of them got."""

from __future__ import annotations

import threading
import time
from collections import Counter
from types import TracebackType

import requests

from tests.compose.sounds import wav_seconds

BODY = {"text": "One moment please."}


def outcome_of(url: str) -> str:
    """What one caller of speech gets: ``whole``, ``cut``, ``refused`` or an error's code.

    Raises:
        AssertionError: an error that has not the agreed shape, or sound that only looks whole.
    """
    try:
        # Streamed, so that an answer that is cut off is closed all the same.
        with requests.post(f"{url}/synthesize", json=BODY, stream=True, timeout=120) as answer:
            if answer.status_code != 200:
                return check_error(answer)
            assert wav_seconds(answer.content) > 0.5
    except requests.exceptions.ChunkedEncodingError:
        return "cut"
    except requests.ConnectionError:
        return "refused"
    return "whole"


def check_error(answer: requests.Response) -> str:
    """The code of an error answer.

    Raises:
        AssertionError: it has not the agreed shape.
    """
    error = answer.json()["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    assert error["message"] and isinstance(error["code"], str)
    assert answer.headers["x-request-id"]
    if answer.status_code in (429, 503):
        assert float(answer.headers["Retry-After"]) > 0
    return f"{answer.status_code} {error['code']}"


class Callers:
    """Several callers at work for as long as the ``with`` block runs.

    Attributes:
        got: how often each outcome came.
        slowest: the longest that one of them waited, seconds.
    """

    def __init__(self, url: str, count: int) -> None:
        self.got: Counter[str] = Counter()
        self.slowest = 0.0
        self._url = url
        self._done = threading.Event()
        self._failure: BaseException | None = None
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def wait_for(self, more: int) -> None:
        """Wait until so many further answers came."""
        target = self.got.total() + more
        deadline = time.monotonic() + 120
        while self.got.total() < target and self._failure is None:
            assert time.monotonic() < deadline, f"callers are stuck; so far {dict(self.got)}"
            time.sleep(0.05)

    def _ask(self) -> None:
        while not self._done.is_set() and self._failure is None:
            started = time.monotonic()
            try:
                outcome = outcome_of(self._url)
            except BaseException as error:
                self._failure = error
                return
            self.slowest = max(self.slowest, time.monotonic() - started)
            self.got[outcome] += 1
