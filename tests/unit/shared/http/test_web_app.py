"""What every service inherits: probes, errors, tokens, limits, headers, documentation."""

import errno
import threading

import pytest
import requests
from flask import Response, abort
from prometheus_client import REGISTRY
from pydantic import BaseModel, Field

from shared.core import errors
from shared.core.log import request_id
from shared.core.metrics import STREAMS
from shared.http.server.app import build_app
from shared.http.server.asgi.flask_service import shell_around
from shared.http.server.openapi import operation
from shared.http.server.parsing import parse_body
from tests.asgi_server import eventually
from tests.unit.shared.http.conftest import settings as of_service

FORM = "multipart/form-data"


class Order(BaseModel):
    text: str = Field(min_length=1)
    count: int = Field(default=1, ge=1)
    tags: list[str] = []


def make(ready=True, **settings):
    app = build_app(
        "test", of_service(**settings), readiness=lambda: (ready, {"engines": {"a": "x"}})
    )

    @app.post("/order")
    @operation(
        "Order",
        tag="Orders",
        request=Order,
        files={"sample": "a recording"},
        responses={200: Order, 201: ["audio/wav"]},
        description="Longer text",
    )
    def order():
        body, files = parse_body(Order)
        return {**body.model_dump(), "files": sorted(files), "id": request_id.get()}

    @app.get("/raise/<name>")
    def fail(name):
        raise getattr(errors, name)("told", param="p", details={"available": ["x"]})

    @app.get("/bug")
    def bug():
        raise RuntimeError("a user's text")

    @app.get("/abort/<int:code>")
    def aborts(code):
        abort(code)

    @app.get("/cut")
    def cut():
        def body():
            yield b"first"
            raise errors.EngineFailure("broke")

        return Response(body(), headers={"X-Engine": "fake"})

    return app


@pytest.fixture
def make_client(serve):
    """A client of the application as it runs, behind the shell."""

    def client(more=lambda app: None, **settings):
        app = make(**settings)
        more(app)
        return serve(shell_around(app, of_service(**settings))).client()

    return client


def test_probes():
    client = make().test_client()
    assert client.get("/livez").json == {"status": "alive"}
    assert client.get("/readyz").status_code == 200
    answer = make(ready=False).test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json["engines"] == {"a": "x"}
    assert answer.headers["Retry-After"] == "2"


@pytest.mark.parametrize(
    ("name", "status", "retry"),
    [
        ("InvalidRequest", 422, None),
        ("MalformedRequest", 400, None),
        ("Unauthorized", 401, None),
        ("UnknownVoice", 404, None),
        ("TooLarge", 413, None),
        ("UnsupportedMedia", 415, None),
        ("RateLimited", 429, "1"),
        ("Overloaded", 503, "1"),
        ("NotReady", 503, "2"),
        ("UpstreamUnavailable", 502, None),
        ("UpstreamTimeout", 504, None),
        ("EngineFailure", 500, None),
        ("InsufficientStorage", 507, None),
    ],
)
def test_each_error_has_its_status_and_the_agreed_body(make_client, name, status, retry):
    answer = make_client().get(f"/raise/{name}")
    assert answer.status_code == status
    body = answer.json["error"]
    assert {"message", "type", "param", "code", "available"} == set(body)
    assert body["message"] == "told"
    assert answer.headers.get("Retry-After") == retry
    assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/nowhere", 404, "not_found"),
        ("/order", 405, "method_not_allowed"),
        ("/bug", 500, "engine_failure"),
        ("/abort/413", 413, "too_large"),
        ("/abort/418", 422, "invalid_request"),
        ("/abort/503", 500, "engine_failure"),
    ],
)
def test_other_failures_take_the_same_shape(make_client, path, status, code):
    answer = make_client().get(path)
    assert answer.status_code == status
    assert answer.json["error"]["code"] == code
    assert "user" not in answer.text
    allowed = {"OPTIONS", "POST"} if status == 405 else {""}
    assert set(answer.headers.get("Allow", "").split(", ")) == allowed


def test_bodies_in_every_content_type():
    client = make().test_client()
    assert client.post("/order", json={"text": "a", "count": 2}).json["count"] == 2
    form = client.post("/order", data={"text": "a", "tags[]": ["x", "y"]})
    assert form.json["tags"] == ["x", "y"]
    untyped = client.post("/order", data=b'{"text": "a"}', content_type="")
    assert untyped.json["text"] == "a"


@pytest.mark.parametrize(
    ("kwargs", "status", "param"),
    [
        ({"data": b"{", "content_type": "application/json"}, 400, None),
        ({"data": b"[1]", "content_type": "application/json"}, 400, None),
        ({"data": b"[" * 200_000, "content_type": "application/json"}, 400, None),
        ({"data": b'{"text":' * 50_000, "content_type": "application/json"}, 400, None),
        ({"json": {"count": 0, "text": "a"}}, 422, "count"),
        ({"json": {}}, 422, "text"),
        ({"data": b"x", "content_type": "text/csv"}, 415, None),
    ],
)
def test_bad_bodies(kwargs, status, param):
    answer = make().test_client().post("/order", **kwargs)
    assert answer.status_code == status
    assert answer.json["error"]["param"] == param


def test_several_complaints_are_all_listed():
    answer = make().test_client().post("/order", json={"text": "", "count": 0})
    assert [e["param"] for e in answer.json["error"]["errors"]] == ["text", "count"]


def test_too_large_a_body(make_client):
    answer = make_client(max_body_bytes=1024).post("/order", data=b"x" * 2048)
    assert answer.status_code == 413
    assert answer.json["error"]["code"] == "too_large"
    # Within the service too, for whoever serves it without the shell.
    bare = make(max_body_bytes=1024).test_client().post("/order", data=b"x" * 2048)
    assert bare.status_code == 413


def test_tokens(make_client):
    client = make_client(api_tokens="one, two")
    assert client.post("/order", json={"text": "a"}).status_code == 401
    assert client.post("/order", json={"text": "a"}).headers["WWW-Authenticate"] == "Bearer"
    for token, status in (("one", 200), ("two", 200), ("three", 401)):
        answer = client.post(
            "/order", json={"text": "a"}, headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == status
    assert client.get("/livez").status_code == 200
    assert client.get("/order?token=one").status_code == 401, "a query token is for sockets only"


def test_request_ids_are_echoed_when_well_formed_and_made_otherwise(make_client):
    client = make_client()
    given = client.post("/order", json={"text": "a"}, headers={"X-Request-ID": "abc-1"})
    assert given.headers["X-Request-ID"] == given.json["id"] == "abc-1"
    odd = client.post("/order", json={"text": "a"}, headers={"X-Request-ID": "a b<script>"})
    assert odd.headers["X-Request-ID"] == odd.json["id"]
    assert odd.json["id"].startswith("req_")


def test_security_headers(make_client):
    headers = make_client().get("/livez").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def open_now():
    return STREAMS.labels(kind="http")._value.get()


def test_streamed_answers_count_as_open_until_their_end(make_client):
    go_on, left = threading.Event(), threading.Event()

    def more(app):
        @app.get("/pieces")
        def pieces():
            def body():
                yield b"one"
                go_on.wait(10)
                yield b"two"

            return Response(body())

        @app.get("/endless")
        def endless():
            def body():
                try:
                    while True:
                        yield b"x" * 10_000
                finally:
                    left.set()

            return Response(body())

    client = make_client(more)
    # Streams of other tests may still be closing.
    eventually(lambda: open_now() == 0)
    before = open_now()
    with client.stream("/pieces") as answer:
        rest = answer.iter_content(3)
        assert next(rest) == b"one"
        assert open_now() == before + 1
        with client.stream("/endless") as other:
            assert next(other.iter_content(3)) == b"xxx"
            assert open_now() == before + 2
        assert left.wait(10)
        eventually(lambda: open_now() == before + 1)
        go_on.set()
        assert list(rest) == [b"two"]
    eventually(lambda: open_now() == before)
    with pytest.raises(requests.RequestException):
        client.get("/cut")
    eventually(lambda: open_now() == before)
    for path in ("/order", "/livez", "/metrics"):
        with client.stream(path):
            assert open_now() == before, "an answer of known length is no stream"


def test_a_body_that_breaks_drops_the_connection_and_is_counted(make_client):
    client = make_client(max_requests=1)
    with pytest.raises(requests.RequestException):
        client.get("/cut")
    # The place is given back: another request is served.
    eventually(lambda: client.post("/order", json={"text": "a"}).status_code == 200)
    counted = 'voice_requests_total{engine="fake",outcome="engine_failure",route="/cut"}'
    eventually(lambda: counted in client.get("/metrics").text)


def test_outcomes_are_counted_by_route(make_client):
    client = make_client()
    client.get("/raise/UnknownVoice")
    client.get("/nowhere")
    for labels in (
        'outcome="unknown_voice",route="/raise/<name>"',
        'outcome="not_found",route="unmatched"',
    ):
        counted = f'voice_requests_total{{engine="",{labels}}}'
        # A request is counted just after its last byte was sent.
        eventually(lambda counted=counted: counted in client.get("/metrics").text)


def test_the_specification_lists_marked_routes_with_their_schemas():
    spec = make().test_client().get("/openapi.json").json
    assert spec["openapi"].startswith("3.1")
    operation = spec["paths"]["/order"]["post"]
    assert set(operation["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    assert operation["responses"]["default"]
    assert {"Order", "ErrorBody"} <= set(spec["components"]["schemas"])
    assert "/bug" not in spec["paths"]


def test_the_docs_page_needs_no_script():
    page = make().test_client().get("/docs").get_data(as_text=True)
    assert "/order" in page
    assert "<script" not in page
    assert "Longer text" in page


def test_refused_requests_are_counted_by_route_and_code():
    labels = {"route": "/order", "code": "invalid_request"}

    def refused():
        return REGISTRY.get_sample_value("voice_validation_errors_total", labels) or 0

    before = refused()
    client = make().test_client()
    assert client.post("/order", json={"text": ""}).status_code == 422
    assert client.post("/order", json={"text": "a"}).status_code == 200
    assert refused() == before + 1


def test_a_long_text_may_come_as_a_form_field():
    text = "word " * 101_000
    answer = make().test_client().post("/order", data={"text": text}, content_type=FORM)
    assert answer.status_code == 200
    assert len(answer.json["text"]) == len(text)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_or_quota_is_over_some_time(number):
    app = make()

    @app.get("/full")
    def full():
        raise OSError(number, "no room")

    answer = app.test_client().get("/full")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json["error"]["code"] == "disk_full"


def test_a_form_field_that_is_repeated_is_a_list():
    fields = {"text": "a", "tags": ["x", "y"]}
    answer = make().test_client().post("/order", data=fields, content_type=FORM)
    assert answer.json["tags"] == ["x", "y"]


def test_the_scheme_of_a_token_has_no_case_and_no_method_goes_without(make_client):
    client = make_client(api_tokens="one")
    lower = client.post("/order", json={"text": "a"}, headers={"Authorization": "bearer one"})
    assert lower.status_code == 200
    assert client.options("/order").status_code == 401


def test_what_runs_at_the_end_of_an_answer_runs_once(make_client):
    ended = []

    def more(app):
        @app.get("/pieces")
        def pieces():
            response = Response(iter([b"one", b"two"]))
            response.call_on_close(lambda: ended.append(1))
            return response

    assert make_client(more).get("/pieces").data == b"onetwo"
    eventually(lambda: ended == [1])
