"""What the gateway passes on, what it answers itself, and what it refuses."""

from __future__ import annotations

import io
import json
import re

import pytest
import requests

from gateway.routes import HTTP_ROUTES, WS_ROUTES
from shared.wire.gateway import MeshModels, MeshStatus
from shared.wire.probes import Liveness, Readiness
from tests.unit.gateway.conftest import DEAD, Service, send


@pytest.mark.parametrize("path", sorted(HTTP_ROUTES))
def test_every_route_reaches_its_service(make_client, service, path):
    service.answers[path] = {"reached": path}
    method = HTTP_ROUTES[path][1][-1]
    answer = make_client().open(path + "?a=1&a=2&token=t", method=method, data=b"body")
    assert answer.json == {"reached": path}
    assert service.seen[-1][:2] == (method, path + "?a=1&a=2")


def test_headers_that_go_along_and_those_that_do_not(make_client, service):
    service.answers["/synthesize"] = lambda h: send(
        h, b"RIFF", headers=[("X-Engine", "e"), ("Keep-Alive", "9"), ("X-Request-ID", "theirs")]
    )
    answer = make_client(api_tokens="client, second").post(
        "/synthesize",
        data=b"{}",
        headers={
            "Authorization": "Bearer second",
            "Cookie": "secret=1",
            "X-Mine": "yes",
            "Accept": "audio/wav",
            "Accept-Language": "pt",
            "Traceparent": "00-1-2-01",
            "Forwarded": "for=1",
            "X-Request-ID": "mine-1",
            "TE": "trailers",
        },
    )
    assert answer.data == b"RIFF"
    assert answer.headers["X-Engine"] == "e"
    assert answer.headers["Content-Length"] == "4"
    assert "Keep-Alive" not in answer.headers
    assert answer.headers.getlist("X-Request-ID") == ["mine-1"]
    got = {name.title(): value for name, value in service.seen[-1][2].items()}
    assert got["Accept"] == "audio/wav"
    assert got["Accept-Language"] == "pt"
    assert got["Traceparent"] == "00-1-2-01"
    assert not {"X-Mine", "Forwarded", "User-Agent"} & set(got)
    assert got["X-Request-Id"] == "mine-1"
    assert got["Authorization"] in ("Bearer client", "Bearer second")
    assert "Cookie" not in got
    assert "Te" not in got


@pytest.mark.parametrize("size", [0, 10, 3 * 1024 * 1024])
def test_bodies_of_any_size_arrive_whole(make_client, service, size):
    service.answers["/transcribe"] = {"text": ""}
    body = bytes(i % 251 for i in range(1000)) * (size // 1000) + b"x" * (size % 1000)
    answer = make_client(stt_url=f"{DEAD},{service.url}").post("/transcribe", data=io.BytesIO(body))
    assert answer.status_code == 200
    assert service.seen[-1][3] == body


def test_a_services_own_errors_pass_unchanged(make_client, service):
    fault = {"error": {"message": "m", "type": "t", "param": "voice", "code": "unknown_voice"}}
    service.answers["/synthesize"] = lambda h: send(h, fault, 404)
    answer = make_client().post("/synthesize", json={})
    assert answer.status_code == 404
    assert answer.json == fault


def test_a_failure_of_one_replica_is_the_answer_and_no_other_is_asked(make_client, service):
    fault = b'{"error":  {"message": "m", "code": "engine_failure"}}'
    service.answers["/synthesize"] = lambda h: send(h, fault, 500, [("X-Engine", "e")])
    other = Service()
    other.answers = service.answers
    client = make_client(tts_url=f"{service.url},{other.url}")
    try:
        for _ in range(4):
            answer = client.post("/synthesize", json={"text": "x"})
            assert answer.status_code == 500
            assert answer.data == fault
            assert answer.headers["X-Engine"] == "e"
            assert answer.mimetype == "application/json"
    finally:
        other.close()
    assert len(service.seen) == len(other.seen) == 2, "each request reached one replica"


def test_a_service_that_is_away(make_client):
    answer = make_client(tts_url=DEAD).post("/synthesize", json={"text": "x"})
    assert answer.status_code == 502
    assert answer.json["error"]["code"] == "upstream_unavailable"
    assert answer.json["error"]["upstream"] == "tts"


def test_an_answer_that_breaks_off_is_not_finished(make_client, service):
    def cut(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"half")
        handler.close_connection = True

    service.answers["/synthesize"] = cut
    with make_client().stream("/synthesize", "POST", json={}) as answer:
        assert answer.status_code == 200
        with pytest.raises(requests.RequestException):
            assert answer.content


def test_a_service_that_dies_before_its_first_byte_is_an_error_with_a_status(make_client, service):
    def die(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.close_connection = True

    service.answers["/synthesize"] = die
    answer = make_client().post("/synthesize", json={})
    assert answer.status_code == 502
    assert answer.json["error"]["code"] == "upstream_unavailable"


def test_models_of_all_services_and_what_is_missing(make_client, service):
    assert [m["id"] for m in make_client().get("/v1/models").json["data"]] == ["m"] * 3
    partly = make_client(stt_url=DEAD).get("/v1/models").json
    assert len(partly["data"]) == 2
    assert partly["unavailable"] == ["stt"]
    client = make_client()
    assert client.get("/v1/models/m").json["id"] == "m"
    unknown = client.get("/v1/models/none")
    assert unknown.status_code == 404
    assert unknown.json["error"]["available"]


def test_home_is_health_for_programs_and_the_page_for_people(make_client):
    client = make_client()
    health = client.get("/")
    assert health.json == {
        "status": "online",
        "message": "TTS service is running",
        "config": {"voice_sample": None, "language": "es"},
    }
    page = client.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.mimetype == "text/html"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in page.headers["Content-Security-Policy"]
    degraded = make_client(tts_url=DEAD).get("/").json
    assert degraded["status"] == "degraded"


@pytest.mark.parametrize("path", sorted(WS_ROUTES))
def test_a_plain_request_to_a_socket_is_told_so(make_client, path):
    answer = make_client().get(path)
    assert answer.status_code == 426
    assert answer.json["error"]["code"] == "upgrade_required"
    assert answer.headers["Upgrade"] == "websocket"


def test_what_is_not_there_and_what_it_does_not_do(make_client, service):
    client = make_client()
    for path in ("/nowhere", "/synthesize/", "/livez/", "//livez", "/static/", "/v1/models/"):
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert answer.json["error"]["code"] in ("not_found", "unknown_model")
    wrong = client.get("/synthesize")
    assert wrong.status_code == 405
    assert wrong.json["error"]["code"] == "method_not_allowed"
    assert wrong.headers["Allow"] == "POST"
    assert set(client.open("/api/config", "DELETE").headers["Allow"].split(", ")) >= {
        "GET",
        "POST",
    }
    assert client.post("/v1/models").status_code == 405
    assert [seen for seen in service.seen if seen[0] != "GET"] == []


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("app.js", 200),
        ("style.css", 200),
        ("icon.svg", 200),
        ("nothing.js", 404),
        ("..%2fapp.py", 404),
    ],
)
def test_files_of_the_page(make_client, name, status):
    assert make_client().get(f"/static/{name}").status_code == status


def test_the_page_needs_nothing_from_elsewhere(make_client):
    client = make_client()
    for path in ("/", "/static/app.js", "/static/style.css"):
        text = client.get(path, headers={"Accept": "text/html"}).text
        assert "https://" not in text
        assert "http://" not in text.replace("http://www.w3.org", "")


def test_tokens_guard_everything_but_probes_and_the_page(make_client):
    client = make_client(api_tokens="t")
    for path in ("/livez", "/readyz", "/", "/static/app.js", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 200, path
    assert client.post("/synthesize", json={}).status_code == 401
    assert client.get("/v1/models").status_code == 401


def test_readiness_names_who_is_missing(make_client):
    assert make_client().get("/readyz").json["upstreams"] == {
        "tts": "ready",
        "stt": "ready",
        "agent": "ready",
    }
    answer = make_client(agent_url=DEAD).get("/readyz")
    assert answer.status_code == 503
    assert answer.json["upstreams"]["agent"] == "not_ready"


def test_the_specification_covers_the_table(make_client):
    spec = make_client().get("/openapi.json").json
    assert set(HTTP_ROUTES) <= set(spec["paths"])
    assert {"/ws", "/ws/tts"} <= set(spec["paths"])
    own = {"/": "MeshStatus", "/v1/models": "MeshModels", "/v1/models/{model_id}": "Model"}
    own |= {"/livez": "Liveness", "/readyz": "Readiness"}
    for path, model in own.items():
        content = spec["paths"][path]["get"]["responses"]["200"]["content"]
        assert content["application/json"]["schema"]["$ref"].endswith(f"/{model}")
    assert "text/plain" in spec["paths"]["/metrics"]["get"]["responses"]["200"]["content"]
    assert "503" in spec["paths"]["/readyz"]["get"]["responses"]
    referred = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(spec)))
    assert referred <= set(spec["components"]["schemas"])


def test_what_it_answers_itself_is_what_the_specification_says(make_client):
    whole, partly = make_client(), make_client(tts_url=DEAD)
    for client in (whole, partly):
        MeshStatus.model_validate(client.get("/").json, strict=True)
        Readiness.model_validate(client.get("/readyz").json, strict=True)
        Liveness.model_validate(client.get("/livez").json, strict=True)
        assert set(client.get("/v1/models").json) <= set(MeshModels.model_fields)
    assert "/synthesize" in make_client().get("/docs").text


def test_rate_limit_per_token(make_client):
    client = make_client(api_tokens="a,b", rate_limit_per_minute=2)
    one, other = ({"Authorization": f"Bearer {t}"} for t in "ab")
    for _ in range(2):
        assert client.get("/v1/models", headers=one).status_code == 200
    limited = client.get("/v1/models", headers=one)
    assert limited.status_code == 429
    assert 1 <= int(limited.headers["Retry-After"]) <= 61
    assert client.get("/v1/models", headers=other).status_code == 200
    assert client.get("/livez").status_code == 200


def test_rate_limit_per_address_and_off(make_client):
    client = make_client(rate_limit_per_minute=1)
    assert client.get("/v1/models").status_code == 200
    assert client.get("/v1/models").status_code == 429
    free = make_client(rate_limit_per_minute=0)
    assert {free.get("/v1/models").status_code for _ in range(5)} == {200}


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8000", 200), ("127.0.0.1", 200), ("[::1]:8000", 200), ("evil.example", 403)],
)
def test_a_rebound_name_is_refused_while_no_token_protects(make_client, host, status):
    answer = make_client().get("/v1/models", headers={"Host": host})
    assert answer.status_code == status
    if status == 403:
        assert answer.json["error"]["code"] == "host_not_allowed"


def test_hosts_that_are_allowed(make_client):
    headers = {"Host": "voice.lan"}
    assert (
        make_client(allowed_hosts="voice.lan").get("/v1/models", headers=headers).status_code == 200
    )
    tokens = {**headers, "Authorization": "Bearer t"}
    assert make_client(api_tokens="t").get("/v1/models", headers=tokens).status_code == 200
    everybody = make_client(bind_host="0.0.0.0", allow_open_access=True)
    assert everybody.get("/v1/models", headers=headers).status_code == 200


def test_foreign_origins_are_refused_and_ours_are_not(make_client):
    client = make_client()
    foreign = client.post("/synthesize", json={}, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert foreign.json["error"]["code"] == "origin_not_allowed"
    own = client.get("/v1/models", headers={"Origin": client.url})
    assert own.status_code == 200
    assert "Access-Control-Allow-Origin" not in own.headers


def test_cors_where_it_is_configured(make_client):
    client = make_client(cors_origins="https://app.example", api_tokens="t")
    preflight = client.options(
        "/synthesize",
        headers={"Origin": "https://app.example", "Access-Control-Request-Method": "POST"},
    )
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    answer = client.get(
        "/v1/models", headers={"Origin": "https://app.example", "Authorization": "Bearer t"}
    )
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "X-Engine" in answer.headers["Access-Control-Expose-Headers"]
