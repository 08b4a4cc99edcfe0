"""Which web origins may call from a browser, as ``CORS_ORIGINS`` says."""

import pytest

ORIGINS = ["https://app.example", "http://192.168.1.7:3000", "null"]


def test_the_gateways_own_origin_is_recognised_in_any_case(make_client):
    client = make_client(api_tokens="t")
    headers = {"Host": "Mesh.Example:8000", "Authorization": "Bearer t"}
    own = client.get("/v1/models", headers=headers | {"Origin": "http://mesh.example:8000"})
    assert own.status_code == 200
    other = client.get("/v1/models", headers=headers | {"Origin": "http://mesh.example:9000"})
    assert other.status_code == 403


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
    readable = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"X-Engine", "X-Fallback", "X-Request-ID", "Retry-After"} <= set(readable)
    # The page must be able to read a refusal too.
    refused = client.get("/v1/models", headers={"Origin": origin})
    assert refused.status_code == 401
    for got in (asked, answer, refused):
        assert got.headers["Access-Control-Allow-Origin"] == origin
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
def test_a_list_keeps_every_other_origin_out(make_client, service, origin):
    client = make_client(cors_origins="https://one.example,https://two.example:8443")
    for refused in (
        preflight(client, origin),
        client.post("/synthesize", json={}, headers={"Origin": origin}),
    ):
        assert refused.status_code == 403
        assert refused.json["error"]["code"] == "origin_not_allowed"
        assert "Access-Control-Allow-Origin" not in refused.headers
    assert service.seen == []
