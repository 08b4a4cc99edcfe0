"""S3 and GCS against their emulators; skipped where those are not installed (extra emulators)."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator

import pytest

from shared.cache.base import Cache, cache_key
from shared.cache.guarded import GuardedCache
from shared.cache.object_storage import ObjectCache

KEY = cache_key(n=1)
# What the emulators and client libraries themselves leave open or call by old names.
pytestmark = [pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pytest.importorskip("s3fs")
    server_of = pytest.importorskip("moto.server", exc_type=ImportError).ThreadedMotoServer
    session = pytest.importorskip("botocore.session").get_session()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = server_of(ip_address="127.0.0.1", port=0)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    session.create_client("s3", endpoint_url=address).create_bucket(Bucket="bucket")
    yield "s3://bucket/prefix"
    server.stop()


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pytest.importorskip("gcsfs")
    emulator = pytest.importorskip("gcp_storage_emulator.server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket="bucket")
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    yield "gs://bucket/prefix"
    server.stop()


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_what_was_put_is_found_until_it_is_deleted(
    kind: str, request: pytest.FixtureRequest
) -> None:
    cache: Cache = ObjectCache(request.getfixturevalue(kind))
    assert cache.get(KEY) is None
    for value in (b"first", b"second" * 50_000):
        cache.put(KEY, value)
        assert cache.get(KEY) == value
    cache.delete(KEY)
    cache.delete(KEY)
    assert cache.get(KEY) is None


def test_storage_that_is_away_is_a_miss(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with GuardedCache("s3-test", lambda: ObjectCache(s3.replace("prefix", "elsewhere"))) as cache:
        cache.put(KEY, b"value")
        assert cache.get(KEY) is None
