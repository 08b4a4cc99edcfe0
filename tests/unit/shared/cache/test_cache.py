"""Caches: one contract over all of them, keys, the guard, and opening by a setting."""

from __future__ import annotations

import multiprocessing
import pickle
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from shared import cache as caches
from shared.cache import open_cache
from shared.cache.base import Cache, cache_key
from shared.cache.disk import DiskCache
from shared.cache.embeddings import EmbeddingCache
from shared.cache.guarded import GuardedCache
from shared.cache.memory import MemoryCache
from shared.cache.object_storage import ObjectCache
from shared.cache.redis import RedisCache
from shared.cache.tiered import TieredCache
from shared.core.breaker import CircuitBreaker
from shared.core.errors import InvalidRequest, NotReady

KEY, OTHER = cache_key(n=1), cache_key(n=2)
MIB = 1 << 20


def events(cache: str, event: str) -> float:
    labels = {"cache": cache, "event": event}
    return REGISTRY.get_sample_value("voice_cache_events_total", labels) or 0


class RedisServer:
    """A real server on a free port; it can be stopped, started and frozen."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--daemonize", "no"]
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--dir", str(self._folder), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise AssertionError("redis-server does not listen")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture(scope="session")
def redis_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed (apt-get install redis-server)")
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_server(redis_session: RedisServer) -> RedisServer:
    if redis_session.process is None:
        redis_session.start()
    import redis

    client = redis.Redis.from_url(redis_session.url)
    client.flushall()
    client.close()
    return redis_session


KINDS = ("memory", "disk", "redis", "files", "objects", "tiered", "guarded")


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Cache]]:
    """``make(ttl_s=None)``: a cache of each kind, on the same store each time it has one."""
    kind = request.param
    server = request.getfixturevalue("redis_server") if kind == "redis" else None
    made: list[Cache] = []

    def build(ttl_s: float | None = None) -> Cache:
        match kind:
            case "memory":
                return MemoryCache(MIB, ttl_s)
            case "disk":
                return DiskCache(tmp_path / "disk", MIB, ttl_s)
            case "redis":
                return RedisCache(server.url, "test:", ttl_s)
            case "files":
                return ObjectCache((tmp_path / "files").as_uri(), ttl_s)
            case "objects":
                return ObjectCache(f"memory://{tmp_path.name}", ttl_s)
            case "tiered":
                return TieredCache(MemoryCache(MIB, ttl_s), DiskCache(tmp_path / "d", MIB, ttl_s))
        return GuardedCache("test", lambda: DiskCache(tmp_path / "guarded", MIB, ttl_s))

    def open_one(ttl_s: float | None = None) -> Cache:
        made.append(build(ttl_s))
        return made[-1]

    yield open_one
    for cache in made:
        cache.close()
        cache.close()


class TestEveryKind:
    def test_what_was_put_is_found_until_it_is_deleted(self, make: Callable[..., Cache]) -> None:
        cache = make()
        assert cache.get(KEY) is None
        cache.delete(KEY)
        for value in (b"first", b"second \0 \xff", b"", bytes(range(256)) * 400):
            cache.put(KEY, value)
            assert cache.get(KEY) == value
        assert cache.get(OTHER) is None
        cache.delete(KEY)
        assert cache.get(KEY) is None

    def test_what_is_too_old_is_forgotten(self, make: Callable[..., Cache]) -> None:
        cache = make(0.2)
        cache.put(KEY, b"value")
        time.sleep(0.3)
        assert cache.get(KEY) is None

    def test_many_threads_get_whole_values(self, make: Callable[..., Cache]) -> None:
        cache = make()
        values = [bytes([n]) * (1000 + n) for n in range(8)]

        def work(n: int) -> bool:
            cache.put(KEY, values[n % 8])
            return cache.get(KEY) in values

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(64)))


def test_memory_forgets_what_was_used_longest_ago() -> None:
    cache = MemoryCache(3 * 1200)
    keys = [cache_key(n=n) for n in range(4)]
    for key in keys[:3]:
        cache.put(key, b"x" * 1000)
    assert cache.get(keys[0])
    cache.put(keys[3], b"x" * 1000)
    assert [cache.get(key) is not None for key in keys] == [True, False, True, True]
    cache.put(keys[0], b"x" * 5000)
    assert [cache.get(key) is not None for key in keys] == [False, False, True, True]
    cache.put(keys[1], b"x" * 1000)
    assert [cache.get(key) is not None for key in keys] == [False, True, True, True]
    cache.close()
    assert not any(cache.get(key) for key in keys)


def test_disk_stays_below_its_cap_and_keeps_what_is_used(tmp_path: Path) -> None:
    cap = 2 * MIB
    with DiskCache(tmp_path, cap) as cache:
        used = cache_key(n="used")
        cache.put(used, b"u" * 50_000)
        for n in range(100):
            cache.put(cache_key(n=n), bytes([n]) * 50_000)
            assert cache.get(used) is not None
        held = sum(path.stat().st_size for path in tmp_path.rglob("*.val"))
        assert MIB < held <= cap
        assert cache.get(cache_key(n=0)) is None
        assert cache.get(cache_key(n=99)) == bytes([99]) * 50_000


def test_a_value_that_would_push_out_all_others_is_not_kept(tmp_path: Path) -> None:
    with DiskCache(tmp_path, MIB) as cache:
        cache.put(KEY, b"old")
        cache.put(KEY, b"x" * (MIB // 2 + 1))
        assert cache.get(KEY) is None


def test_disk_outlives_the_process(tmp_path: Path) -> None:
    with DiskCache(tmp_path, MIB) as cache:
        cache.put(KEY, b"kept")
    with DiskCache(tmp_path, MIB) as cache:
        assert cache.get(KEY) == b"kept"


def _use(folder: Path, worker: int) -> None:
    with DiskCache(folder, 4 * MIB) as cache:
        for n in range(150):
            key = cache_key(n=n % 40)
            cache.put(key, bytes([n % 40]) * 40_000)
            found = cache.get(key)
            assert found is None or found == bytes([n % 40]) * 40_000
        cache.put(cache_key(worker=worker), b"done")


def test_processes_share_a_folder(tmp_path: Path) -> None:
    """As the containers of one machine share a volume."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_use, args=(tmp_path, n)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(100)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    with DiskCache(tmp_path, 4 * MIB) as cache:
        assert [cache.get(cache_key(worker=n)) for n in range(3)] == [b"done"] * 3


class Evil:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle in the cache was loaded",))


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_pickle_in_the_folder_is_not_loaded(tmp_path: Path, size: int) -> None:
    import diskcache

    with diskcache.Cache(str(tmp_path)) as planted:
        planted.set(KEY, {"evil": Evil(), "padding": "x" * size})
        planted.set(OTHER, 7)
    with DiskCache(tmp_path, MIB) as cache:
        assert cache.get(KEY) is None
        assert cache.get(OTHER) is None
        cache.put(KEY, b"mine")
        assert cache.get(KEY) == b"mine"
    with pytest.raises(BaseException, match="was loaded"):
        pickle.loads(pickle.dumps(Evil()))


def test_a_damaged_folder_is_emptied_and_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache.db").write_bytes(b"this is no database" * 1000)
    with DiskCache(tmp_path, MIB) as cache:
        assert "emptied" in caplog.text
        cache.put(KEY, b"value")
        assert cache.get(KEY) == b"value"


def test_a_busy_folder_is_not_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    (tmp_path / "cache.db").write_bytes(b"")
    monkeypatch.setattr("shared.cache.disk.Store", busy)
    with pytest.raises(sqlite3.OperationalError):
        DiskCache(tmp_path, MIB)
    assert (tmp_path / "cache.db").exists()


def test_redis_keeps_caches_apart(redis_server: RedisServer) -> None:
    with RedisCache(redis_server.url, "a:") as a, RedisCache(redis_server.url, "b:") as b:
        a.put(KEY, b"a")
        assert b.get(KEY) is None
        a.put(KEY, b"x" * ((64 << 20) + 1))
        assert a.get(KEY) is None


def test_objects_that_are_cut_or_foreign_are_unknown(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path.as_uri())
    cache.put(KEY, b"value")
    (file,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert file.name == KEY
    for content in (b"", b"vmc1", b"something else entirely"):
        file.write_bytes(content)
        assert cache.get(KEY) is None


def test_a_file_appears_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ObjectCache(tmp_path.as_uri())
    cache.put(KEY, b"old")
    monkeypatch.setattr(
        fsspec.implementations.local.LocalFileSystem,
        "mv",
        lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")),
    )
    with pytest.raises(OSError, match="disk full"):
        cache.put(KEY, b"new")
    assert cache.get(KEY) == b"old"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [KEY]


def test_tiers_fill_from_the_back(tmp_path: Path) -> None:
    front, back = MemoryCache(MIB), MemoryCache(MIB)
    cache = TieredCache(front, back)
    back.put(KEY, b"value")
    assert cache.get(KEY) == b"value"
    assert front.get(KEY) == b"value"
    cache.delete(KEY)
    assert (front.get(KEY), back.get(KEY)) == (None, None)


class TestKeys:
    def test_names_have_no_order_and_equal_numbers_are_one(self) -> None:
        one = cache_key(text="a", speed=1, options={"top_k": 50, "top_p": 0.85})
        two = cache_key(options={"top_p": np.float64(0.85), "top_k": 50.0}, speed=1.0, text="a")
        assert one == two
        assert len(one) == 64
        assert int(one, 16)

    def test_what_differs_differs(self) -> None:
        facts: list[object] = [
            None, "", "None", 0, False, True, 1, "1", 1.5, "1.5", b"1", [], ["1"], [1], ["1", "2"],
            ["1,2"], [["1"], "2"], ["1", ["2"]], {"1": 2}, {"2": 1}, [["1", 2]], {"1"}, {"1", "2"},
            b"", {}, set(), ["number", "1"],
        ]  # fmt: skip
        assert len({cache_key(x=fact) for fact in facts}) == len(facts)
        assert cache_key(a="b") != cache_key(b="a")

    def test_bytes_go_by_their_content(self) -> None:
        assert cache_key(x=b"abc") == cache_key(x=bytearray(b"abc")) != cache_key(x=b"abd")
        assert cache_key(x={1, 2, 3}) == cache_key(x=frozenset([3, 2, 1]))
        assert cache_key(x=(1, 2)) == cache_key(x=[1, 2])

    @pytest.mark.parametrize("fact", [object(), Path("x"), 1j])
    def test_what_has_no_canonical_form_is_refused(self, fact: object) -> None:
        with pytest.raises(TypeError):
            cache_key(x=fact)

    def test_endless_numbers_are_refused(self) -> None:
        with pytest.raises(ValueError, match="finite"):
            cache_key(x=float("nan"))

    @given(
        st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.booleans()), min_size=1)
    )
    def test_a_change_anywhere_changes_the_key(self, facts: dict[str, object]) -> None:
        name = sorted(facts)[0]
        assert cache_key(x=facts) == cache_key(x=dict(reversed(facts.items())))
        assert cache_key(x=facts) != cache_key(x={**facts, name: [facts[name]]})


class Flaky(MemoryCache):
    """Fails, hangs or works as the test says."""

    def __init__(self) -> None:
        super().__init__(MIB)
        self.fails = False
        self.gate: threading.Event | None = None
        self.calls = 0
        self.answered = 0

    def get(self, key: str) -> bytes | None:
        self.calls += 1
        if self.gate is not None:
            self.gate.wait(20)
        if self.fails:
            raise ConnectionError("away")
        self.answered += 1
        return super().get(key)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class TestGuard:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def guarded(self, clock: Clock) -> Iterator[Callable[..., GuardedCache]]:
        made: list[GuardedCache] = []

        def build(store: Callable[[], Cache], **options: Any) -> GuardedCache:
            breaker = CircuitBreaker(threshold=1, cooldown_s=10, clock=clock)
            made.append(GuardedCache("guard-test", store, breaker=breaker, **options))
            return made[-1]

        yield build
        for cache in made:
            cache.close()

    @staticmethod
    def until(condition: Callable[[], bool]) -> None:
        for _ in range(500):
            if condition():
                return
            time.sleep(0.01)
        raise AssertionError("it never happened")

    def test_a_failure_is_a_miss_then_skipped_then_tried_again(
        self, guarded: Callable[..., GuardedCache], clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = Flaky()
        cache = guarded(lambda: store)
        cache.put(KEY, b"value")
        errors, skipped = events("guard-test", "error"), events("guard-test", "skipped")
        store.fails = True
        assert cache.get(KEY) is None
        assert events("guard-test", "error") == errors + 1
        calls = store.calls
        for _ in range(5):
            assert cache.get(KEY) is None
        assert store.calls == calls
        assert events("guard-test", "skipped") == skipped + 5
        clock.now = 11
        assert cache.get(KEY) is None
        self.until(lambda: events("guard-test", "error") == errors + 2)
        store.fails = False
        clock.now = 22
        assert cache.get(KEY) is None
        self.until(lambda: cache.get(KEY) == b"value")
        assert caplog.text.count("cache is skipped") == 1
        assert "ConnectionError" in {getattr(r, "reason", "") for r in caplog.records}

    def test_a_hung_store_costs_one_caller_the_limit_and_the_trial_costs_nobody(
        self, guarded: Callable[..., GuardedCache], clock: Clock
    ) -> None:
        store = Flaky()
        store.put(KEY, b"value")
        store.gate = threading.Event()
        cache = guarded(lambda: store, get_s=0.05)
        errors = events("guard-test", "error")
        assert cache.get(KEY) is None
        assert events("guard-test", "error") == errors + 1
        clock.now = 11
        before = store.calls
        started = time.monotonic()
        assert cache.get(KEY) is None
        waited = time.monotonic() - started
        self.until(lambda: store.calls == before + 1)
        # The trial hangs for as long as the gate is shut; the caller did not wait for it.
        assert waited < 10
        store.gate.set()
        clock.now = 22
        self.until(lambda: cache.get(KEY) == b"value")

    def test_an_answer_that_comes_too_late_does_not_let_the_others_wait(
        self, guarded: Callable[..., GuardedCache], clock: Clock
    ) -> None:
        store = Flaky()
        store.put(KEY, b"value")
        store.gate = threading.Event()
        cache = guarded(lambda: store, get_s=0.05)
        errors, skipped = events("guard-test", "error"), events("guard-test", "skipped")
        assert cache.get(KEY) is None
        store.gate.set()
        self.until(lambda: not cache._workers._calls.qsize() and store.answered == 1)
        for _ in range(5):
            assert cache.get(KEY) is None
        # The same of a trial that nobody waited for.
        store.gate = threading.Event()
        clock.now = 11
        assert cache.get(KEY) is None
        time.sleep(0.1)
        store.gate.set()
        self.until(lambda: events("guard-test", "error") == errors + 2)
        for _ in range(5):
            assert cache.get(KEY) is None
        assert store.calls == 2
        assert events("guard-test", "skipped") == skipped + 11

    def test_a_store_that_was_only_slow_is_not_opened_again(
        self, guarded: Callable[..., GuardedCache], clock: Clock
    ) -> None:
        opened: list[Flaky] = []
        store = Flaky()
        store.put(KEY, b"value")
        store.gate = threading.Event()

        def opening() -> Cache:
            opened.append(store)
            return store

        cache = guarded(opening, get_s=0.05)
        # A trial that is too slow: nobody waits for it, and its own thread notes the failure.
        cache._down = True
        errors = events("guard-test", "error")
        assert cache.get(KEY) is None
        time.sleep(0.1)
        store.gate.set()
        self.until(lambda: events("guard-test", "error") == errors + 1)
        clock.now = 11
        self.until(lambda: cache.get(KEY) == b"value")
        assert len(opened) == 1

    def test_a_store_that_cannot_be_opened_is_opened_later(
        self, guarded: Callable[..., GuardedCache], clock: Clock
    ) -> None:
        opened: list[int] = []
        inner = MemoryCache(MIB)

        def store() -> Cache:
            opened.append(1)
            if len(opened) == 1:
                raise OSError("no such folder")
            return inner

        cache = guarded(store)
        cache.put(KEY, b"lost")
        assert cache.get(KEY) is None
        assert len(opened) == 1
        clock.now = 11
        cache.put(KEY, b"value")
        self.until(lambda: inner.get(KEY) == b"value")
        assert cache.get(KEY) == b"value"
        cache.delete(KEY)
        assert cache.get(KEY) is None
        assert len(opened) == 2

    def test_a_call_that_nobody_waits_for_any_more_is_not_made(
        self, guarded: Callable[..., GuardedCache]
    ) -> None:
        store = Flaky()
        store.gate = threading.Event()
        cache = guarded(lambda: store, get_s=0.2)
        with ThreadPoolExecutor(7) as pool:
            assert list(pool.map(cache.get, [KEY] * 7)) == [None] * 7
        begun = store.calls
        assert begun < 7, "more calls than threads for them"
        store.gate.set()
        self.until(lambda: store.answered == begun and not cache._workers._calls.qsize())
        assert store.calls == begun

    def test_each_thread_closes_what_it_used_of_the_store(
        self, guarded: Callable[..., GuardedCache]
    ) -> None:
        closed_in: set[str] = set()

        class Threaded(MemoryCache):
            def close(self) -> None:
                closed_in.add(threading.current_thread().name)

        cache = guarded(lambda: Threaded(MIB))
        cache.put(KEY, b"value")
        cache.close()
        assert {"cache-guard-test-0", threading.current_thread().name} <= closed_in

    def test_closing_does_not_wait_for_a_hung_call(
        self, guarded: Callable[..., GuardedCache], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("shared.cache.guarded._CLOSE_S", 0.05)
        store = Flaky()
        store.gate = threading.Event()
        cache = guarded(lambda: store, get_s=0.01)
        assert cache.get(KEY) is None
        cache.close()
        assert not store.gate.is_set()
        store.gate.set()

    def test_a_real_server_that_dies_and_comes_back(
        self, guarded: Callable[..., GuardedCache], clock: Clock, redis_server: RedisServer
    ) -> None:
        cache = guarded(lambda: RedisCache(redis_server.url, "guard:"))
        cache.put(KEY, b"value")
        assert cache.get(KEY) == b"value"
        redis_server.stop()
        errors = events("guard-test", "error")
        assert cache.get(KEY) is None
        cache.put(KEY, b"again")
        assert events("guard-test", "error") == errors + 1
        redis_server.start()
        assert cache.get(KEY) is None
        clock.now = 11
        cache.put(KEY, b"again")
        self.until(lambda: cache.get(KEY) == b"again")

    def test_a_real_server_that_is_frozen_costs_one_caller_half_a_second(
        self, guarded: Callable[..., GuardedCache], redis_server: RedisServer, clock: Clock
    ) -> None:
        cache = guarded(lambda: RedisCache(redis_server.url, "frozen:"))
        cache.put(KEY, b"value")
        assert redis_server.process is not None
        redis_server.process.send_signal(signal.SIGSTOP)
        try:
            errors, skipped = events("guard-test", "error"), events("guard-test", "skipped")
            for _ in range(50):
                assert cache.get(KEY) is None
            assert events("guard-test", "error") == errors + 1
            assert events("guard-test", "skipped") == skipped + 49
        finally:
            redis_server.process.send_signal(signal.SIGCONT)
        clock.now = 11
        self.until(lambda: cache.get(KEY) == b"value")


class TestOpening:
    def open(self, url: str, home: Path, **options: Any) -> Cache | None:
        return open_cache(url, name="test", home=home, max_bytes=MIB, **options)

    @pytest.mark.parametrize("url", ["none", "NONE", " none ", ""])
    def test_none(self, url: str, tmp_path: Path) -> None:
        assert self.open(url, tmp_path) is None

    @pytest.mark.parametrize("url", ["memory:", "disk:", "disk:{tmp}/own", "file://{tmp}/files"])
    def test_kinds(self, url: str, tmp_path: Path) -> None:
        cache = self.open(url.format(tmp=tmp_path), tmp_path, ttl_s=60)
        assert cache is not None
        with cache:
            cache.put(KEY, b"value")
            assert cache.get(KEY) == b"value"
        folder = {"disk:": "cache/test", "disk:{tmp}/own": "own/test"}.get(url)
        if folder:
            assert (tmp_path / folder / "cache.db").is_file()

    def test_redis(self, redis_server: RedisServer, tmp_path: Path) -> None:
        for number in range(2):
            cache = self.open(redis_server.url, tmp_path)
            assert cache is not None
            with cache:
                if number == 0:
                    cache.put(KEY, b"value")
                assert cache.get(KEY) == b"value"

    def test_an_unknown_kind_is_refused_without_its_address(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidRequest, match="'mysql'") as caught:
            self.open("mysql://user:secret@host/db", tmp_path)
        assert "secret" not in caught.value.message
        with pytest.raises(InvalidRequest, match="'that'"):
            self.open("user secret", tmp_path)

    @pytest.mark.parametrize(
        ("url", "extra"),
        [
            ("disk:", "cache-disk"),
            ("redis://x", "cache-redis"),
            ("s3://b/p", "cache-s3"),
            ("gs://b/p", "cache-gcs"),
            ("file:///x", "cache-objects"),
        ],
    )
    def test_a_missing_package_names_its_command(
        self, url: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(caches, "find_spec", lambda name: name if name == "pip" else None)
        with pytest.raises(NotReady, match=f"pip install -e '.\\[{extra}\\]'"):
            self.open(url, tmp_path)

    def test_in_an_image_nobody_is_told_to_use_pip(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(caches, "find_spec", lambda _: None)
        with pytest.raises(NotReady, match=r"needs s3fs: build the image .* 'cache-s3'") as caught:
            self.open("s3://bucket", tmp_path)
        assert "pip" not in str(caught.value)

    def test_a_store_that_is_away_at_the_start_is_no_error(self, tmp_path: Path) -> None:
        (tmp_path / "cache").write_text("a file where the folder should be")
        cache = self.open("disk:", tmp_path)
        assert cache is not None
        with cache:
            cache.put(KEY, b"value")
            assert cache.get(KEY) == b"value", "the memory in front works all the same"
            assert cache.get(OTHER) is None


class TestEmbeddings:
    def test_arrays_come_back_as_they_were(self) -> None:
        known = EmbeddingCache(MemoryCache(MIB), "arrays-test")
        arrays = {
            "latent": np.random.default_rng(0).normal(size=(1, 32, 8)).astype(np.float32),
            "names": np.array(["a", "bé"]),
            "similarity": np.array(0.5),
        }
        assert known.get(KEY) is None
        known.put(KEY, arrays)
        found = known.get(KEY)
        assert found is not None
        assert found.keys() == arrays.keys()
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)
        assert events("arrays-test", "hit") >= 1
        assert events("arrays-test", "miss") >= 1
        known.close()

    def test_objects_are_refused(self) -> None:
        with pytest.raises(TypeError, match="objects"):
            EmbeddingCache(MemoryCache(MIB)).put(KEY, {"x": np.array([object()])})

    @pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "pickle"])
    def test_a_damaged_entry_is_a_miss_and_forgotten(self, damage: str) -> None:
        store = MemoryCache(MIB)
        known = EmbeddingCache(store, "damage-test")
        known.put(KEY, {"x": np.arange(1000)})
        data = bytearray(store.get(KEY) or b"")
        match damage:
            case "cut":
                data = data[: len(data) // 2]
            case "flipped":
                data[len(data) // 2] ^= 1
            case "foreign":
                data = bytearray(b"\x93NUMPY and so on")
            case "pickle":
                data = bytearray(pickle.dumps({"x": Evil()}))
        store.put(KEY, bytes(data))
        errors = events("damage-test", "error")
        assert known.get(KEY) is None
        assert events("damage-test", "error") == errors + 1
        assert store.get(KEY) is None
