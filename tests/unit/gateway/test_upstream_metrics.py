"""The gateway's /metrics holds those of every replica behind it, and no replica can spoil it."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import upstream, upstream_metrics
from gateway.upstream import Upstream
from gateway.upstream_metrics import UpstreamMetrics
from shared.http.client.replicas import Replicas
from tests.unit.gateway.conftest import DEAD, Service, send

TEXT = b"""\
# HELP voice_requests_total Requests finished.
# TYPE voice_requests_total counter
voice_requests_total{route="/synthesize",engine="kokoro",outcome="ok"} 3.0
# HELP voice_requests_created Requests finished.
# TYPE voice_requests_created gauge
voice_requests_created{route="/synthesize",engine="kokoro",outcome="ok"} 1.7e+09
# HELP voice_time_to_first_audio_seconds Request to the first "audio" byte.
# TYPE voice_time_to_first_audio_seconds histogram
voice_time_to_first_audio_seconds_bucket{engine="kokoro",le="0.5"} 2.0
voice_time_to_first_audio_seconds_bucket{engine="kokoro",le="+Inf"} 3.0
voice_time_to_first_audio_seconds_count{engine="kokoro"} 3.0
voice_time_to_first_audio_seconds_sum{engine="kokoro"} 1.25
# HELP voice_gpu_memory_bytes GPU memory in use.
# TYPE voice_gpu_memory_bytes gauge
voice_gpu_memory_bytes{device="0"} 1.073741824e+09
"""


@pytest.fixture
def other():
    running = Service()
    yield running
    running.close()


def instance(service):
    return service.url.removeprefix("http://")


def scrape(client, **headers):
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.mimetype == "text/plain"
    return answer.text


def samples(text, name):
    """(labels, value) of a sample's name."""
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    ]


def reached(text):
    return {
        (labels["service"], labels["instance"]): value
        for labels, value in samples(text, "voice_upstream_metrics_up")
    }


def test_every_replica_is_there_with_its_labels(make_client, service, other):
    service.answers["/metrics"] = other.answers["/metrics"] = lambda h: send(h, TEXT)
    text = scrape(make_client(tts_url=f"{service.url},{other.url}"))
    first = {"service": "tts", "instance": instance(service)}
    assert reached(text) == {
        ("tts", instance(service)): 1,
        ("tts", instance(other)): 1,
        ("stt", instance(service)): 1,
        ("agent", instance(service)): 1,
    }
    made = {"route": "/synthesize", "engine": "kokoro", "outcome": "ok"}
    assert (made | first, 3) in samples(text, "voice_requests_total")
    heard = samples(text, "voice_time_to_first_audio_seconds_bucket")
    assert ({"engine": "kokoro", "le": "0.5"} | first, 2) in heard
    memory = samples(text, "voice_gpu_memory_bytes")
    assert len([value for labels, value in memory if "instance" in labels]) == 4
    assert ({"device": "0", "service": "tts", "instance": instance(other)}, 2**30) in memory


def test_each_family_is_described_once_and_no_sample_comes_twice(make_client, service):
    service.answers["/metrics"] = lambda h: send(h, TEXT)
    client = make_client()
    client.get("/v1/models")
    lines = scrape(client).splitlines()
    for kind in ("# HELP ", "# TYPE "):
        described = Counter(line.split(" ")[2] for line in lines if line.startswith(kind))
        assert described["voice_requests_total"] == 1
        assert set(described.values()) == {1}
    series = Counter(line.rpartition(" ")[0] for line in lines if not line.startswith("#"))
    assert set(series.values()) == {1}
    kinds = [line for line in lines if line.startswith("# TYPE voice_requests_total")]
    assert kinds == ["# TYPE voice_requests_total counter"]


def test_the_gateways_own_stay_as_they_are(make_client, service):
    service.answers["/metrics"] = lambda h: send(h, TEXT)
    client = make_client()
    client.get("/v1/models")
    own = [labels for labels, _ in samples(scrape(client), "voice_requests_total")]
    assert {"route": "/v1/models", "engine": "", "outcome": "ok"} in own


done = threading.Event()
"""The test is over: whoever keeps it waiting may stop."""


def hang(handler):
    done.wait(20)
    handler.close_connection = True


def trickle(handler):
    """Never silent for long, whole after ten seconds."""
    handler.send_response(200)
    handler.send_header("Content-Length", "200")
    handler.end_headers()
    for _ in range(200):
        if done.wait(0.05):
            break
        handler.wfile.write(b"\n")
        handler.wfile.flush()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda h: send(h, b"down", 500), id="an error"),
        pytest.param(lambda h: send(h, TEXT, 301, [("Location", "/")]), id="elsewhere"),
        pytest.param(lambda h: send(h, b"<html>a page {</html>"), id="a page"),
        pytest.param(lambda h: send(h, b"\xff\xfe"), id="no text"),
        pytest.param(lambda h: send(h, b"# TYPE a nonsense\na 1\n"), id="no such type"),
        pytest.param(lambda h: send(h, b"#" * (2 << 20)), id="too much"),
        pytest.param(hang, id="silence"),
        pytest.param(trickle, id="a trickle"),
    ],
)
def test_one_that_does_not_answer_as_it_should_spoils_nothing(make_client, service, other, answer):
    done.clear()
    service.answers["/metrics"] = lambda h: send(h, TEXT)
    other.answers["/metrics"] = answer
    try:
        text = scrape(make_client(stt_url=other.url, agent_url=DEAD))
    finally:
        done.set()
    assert reached(text) == {
        ("tts", instance(service)): 1,
        ("stt", instance(other)): 0,
        ("agent", DEAD.removeprefix("http://")): 0,
    }
    made = samples(text, "voice_requests_total")
    assert {labels.get("service") for labels, _ in made} <= {None, "tts"}


def test_they_are_asked_at_the_same_time(make_client, service, other, monkeypatch):
    monkeypatch.setattr(upstream, "PROBE_S", 10)
    together = threading.Barrier(2)

    def meet(handler):
        together.wait(5)
        send(handler, TEXT)

    service.answers["/metrics"] = other.answers["/metrics"] = meet
    text = scrape(make_client(stt_url=other.url, agent_url=DEAD))
    assert reached(text)["tts", instance(service)] == reached(text)["stt", instance(other)] == 1


def test_labels_that_another_gateway_gave_are_kept_beside_ours(make_client, service):
    service.answers["/metrics"] = lambda h: send(
        h, b'# TYPE a gauge\na{service="tts",instance="10.0.0.1:5000"} 1\n'
    )
    found = samples(scrape(make_client(stt_url=DEAD, agent_url=DEAD)), "a")
    theirs = {"exported_service": "tts", "exported_instance": "10.0.0.1:5000"}
    assert found == [(theirs | {"service": "tts", "instance": instance(service)}, 1)]


def test_replicas_that_are_gone_are_forgotten(make_client, service, other):
    service.answers["/metrics"] = other.answers["/metrics"] = lambda h: send(h, TEXT)
    scrape(make_client(tts_url=other.url))
    assert ("tts", instance(other)) not in reached(scrape(make_client()))


def test_nobody_can_make_it_ask_without_end(make_client, service):
    service.answers["/metrics"] = lambda h: send(h, TEXT)
    client = make_client(stt_url=DEAD, agent_url=DEAD)
    threads = [threading.Thread(target=scrape, args=(client,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = [path for _, path, *_ in service.seen if path == "/metrics"]
    assert len(asked) == 1


def test_it_needs_no_token_and_presents_its_own(make_client, service):
    service.answers["/metrics"] = lambda h: send(h, TEXT)
    text = scrape(make_client(api_tokens="secret"))
    assert "secret" not in text
    assert {headers["Authorization"] for *_, headers, _ in service.seen} == {"Bearer secret"}


def test_a_password_in_an_address_is_not_shown(make_client):
    text = scrape(make_client(tts_url="https://name:secret@127.0.0.1:9"))
    assert reached(text)["tts", "127.0.0.1:9"] == 0
    assert "secret" not in text


def test_a_replica_without_metrics_keeps_its_circuit(make_client, service, monkeypatch):
    monkeypatch.setattr(upstream_metrics, "FRESH_S", 0)
    client = make_client()

    def drop(handler):
        handler.close_connection = True

    service.answers["/metrics"] = drop
    service.answers["/synthesize"] = {"reached": True}
    for _ in range(5):
        assert reached(scrape(client))["tts", instance(service)] == 0
    assert client.post("/synthesize", json={}).json == {"reached": True}


def test_replicas_are_the_addresses_of_a_name(service):
    service.answers["/metrics"] = lambda h: send(h, TEXT)
    port = service.url.rpartition(":")[2]
    urls = [f"http://tts:{port}"] * 2

    async def collect():
        tts = Upstream("tts", urls, token=None, silence_s=9)
        tts.replicas = Replicas("tts", urls, resolver=lambda *_: ["127.0.0.1", "127.0.0.2"])
        try:
            return await UpstreamMetrics({"tts": tts}).add_to(b"")
        finally:
            await tts.close()

    text = asyncio.run(collect()).decode()
    assert reached(text) == {("tts", f"127.0.0.1:{port}"): 1, ("tts", f"127.0.0.2:{port}"): 0}
    assert len(samples(text, "voice_gpu_memory_bytes")) == 1, "a name given twice is asked once"
