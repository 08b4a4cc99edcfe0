"""Which hosts and web origins every port accepts, as ``ALLOWED_HOSTS`` and ``CORS_ORIGINS`` say."""

import pytest
import websocket

from shared.http.server.origin_check import OriginCheck, host_name, is_ours
from tests.unit.shared.http.conftest import settings

ORIGINS = ["https://app.example", "http://192.168.1.7:3000", "null"]


@pytest.fixture
def reached():
    return []


@pytest.fixture
def make_client(make_shell, reached):
    async def app(scope, receive, send):
        reached.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    return lambda **values: make_shell(app, **values).client()


def preflight(client, origin):
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return client.options("/synthesize", headers=headers)


@pytest.mark.parametrize("configured", ["*", "https://other.example, *"])
@pytest.mark.parametrize("origin", ORIGINS)
def test_a_star_lets_every_origin_in(make_client, configured, origin):
    client = make_client(cors_origins=configured, api_tokens="t")
    asked = preflight(client, origin)
    assert asked.status_code == 204
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    answer = client.get("/v1/models", headers={"Origin": origin, "Authorization": "Bearer t"})
    assert answer.status_code == 200
    # The page must be able to read a refusal too.
    refused = client.get("/v1/models", headers={"Origin": origin})
    assert refused.status_code == 401
    for got in (asked, answer, refused):
        assert got.headers["Access-Control-Allow-Origin"] == origin
        assert got.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "Origin" in got.headers.getlist("Vary"), "a cache must keep the origins apart"


@pytest.mark.parametrize("origin", ["https://one.example", "https://two.example:8443"])
def test_a_list_lets_in_each_origin_on_it(make_client, origin):
    client = make_client(cors_origins="https://one.example,https://two.example:8443")
    assert preflight(client, origin).status_code == 204
    answer = client.get("/v1/models", headers={"Origin": origin})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize(
    "origin", [*ORIGINS, "http://one.example", "https://one.example:8443", "https://a.one.example"]
)
def test_a_list_keeps_every_other_origin_out(make_client, reached, origin):
    client = make_client(cors_origins="https://one.example,https://two.example:8443")
    for refused in (
        preflight(client, origin),
        client.post("/synthesize", json={}, headers={"Origin": origin}),
    ):
        assert refused.status_code == 403
        assert refused.json["error"]["code"] == "origin_not_allowed"
        assert "Access-Control-Allow-Origin" not in refused.headers
    assert reached == []


def test_the_service_keeps_the_vary_of_its_own(make_shell):
    async def app(scope, receive, send):
        headers = [(b"vary", b"Accept")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    client = make_shell(app, cors_origins="https://one.example").client()
    answer = client.get("/", headers={"Origin": "https://one.example"})
    assert sorted(answer.headers.getlist("Vary")) == ["Accept", "Origin"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("192.168.1.7:5000", 200),
        ("[2001:db8::1]", 200),
        ("tts:5000", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:8000", 403),
        ("evil.example.", 403),
        ("user@evil.example", 403),
    ],
)
def test_a_rebound_name_is_refused_while_no_token_protects(make_client, host, status):
    answer = make_client().get("/v1/models", headers={"Host": host})
    assert answer.status_code == status
    if status == 403:
        assert answer.json["error"]["code"] == "host_not_allowed"


def test_a_request_without_a_host_is_refused(make_shell):
    with make_shell().raw() as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.recv(100).split()[1] in (b"400", b"403")


def test_hosts_that_are_allowed(make_client):
    headers = {"Host": "voice.lan"}
    client = make_client(allowed_hosts="voice.lan")
    assert client.get("/v1/models", headers=headers).status_code == 200
    tokens = {**headers, "Authorization": "Bearer t"}
    assert make_client(api_tokens="t").get("/v1/models", headers=tokens).status_code == 200


def test_sockets_of_other_origins_and_hosts_are_refused(make_shell):
    async def session(socket):
        await socket.close(4000)

    server = make_shell(sockets={"/ws": session})
    for options in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
        with pytest.raises(websocket.WebSocketBadStatusException) as caught:
            server.socket("/ws", **options)
        assert caught.value.status_code == 403
    server.socket("/ws", origin=server.url).shutdown()


def test_hosts_and_origins():
    assert host_name("Voice.LAN:8000") == "voice.lan"
    assert host_name("[::1]:8000") == "::1"
    assert host_name("[::1") == ""
    check = OriginCheck(settings())
    assert check.is_foreign("https://a", "b")
    assert not check.is_foreign("http://b:8000", "b:8000")
    assert check.is_foreign("http://b:8000", "b:8001")
    assert check.is_foreign("null", "b")
    assert check.is_foreign("http://[", "b")


def test_names_that_no_foreign_dns_has():
    for name in ("localhost", "127.0.0.1", "127.1.2.3", "::1", "10.0.0.1", "2001:db8::1", "tts"):
        assert is_ours(name), name
    for name in ("", "a.b", "localhost.", "1.2.3", "10.0.0.1.nip.io", "tts."):
        assert not is_ours(name), name


def test_the_own_origin_is_recognised_in_any_case():
    check = OriginCheck(settings(api_tokens="t"))
    assert not check.is_foreign("http://mesh.example:8000", "Mesh.Example:8000")
    assert check.is_foreign("http://mesh.example:9000", "Mesh.Example:8000")


def test_what_a_page_may_read_is_named():
    check = OriginCheck(settings(cors_origins="http://page.example"))
    headers = dict(check.answer_headers({"origin": "http://page.example", "host": "localhost"}))
    readable = headers[b"access-control-expose-headers"].decode().split(", ")
    assert {"X-Engine", "X-Fallback", "X-Request-ID", "Retry-After"} <= set(readable)
