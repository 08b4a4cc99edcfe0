"""When a caller who has used up its minute may come back."""

import pytest

from shared.core.errors import RateLimited
from shared.http.server.rate_limit import RateLimit


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("time.time", clock)
    return clock


@pytest.fixture
def call():
    limit = RateLimit(2)
    return lambda: limit.count("10.0.0.1")


@pytest.mark.parametrize(("second_at", "refused_at"), [(20, 21), (20, 50), (0, 0), (40, 59.5)])
def test_retry_after_ends_when_the_oldest_request_leaves_the_window(
    clock, call, second_at, refused_at
):
    began = clock.now
    call()
    clock.now = began + second_at
    call()
    clock.now = began + refused_at
    with pytest.raises(RateLimited) as caught:
        call()
    assert caught.value.retry_after == max(1.0, 60 - refused_at)


def test_who_comes_back_then_is_served_and_who_comes_sooner_is_not(clock, call):
    call()
    clock.now += 25
    call()
    clock.now += 10
    for _ in range(2):  # the second wait is for the second request
        with pytest.raises(RateLimited) as caught:
            call()
        frees = clock.now + caught.value.retry_after
        clock.now = frees - 0.5
        with pytest.raises(RateLimited):
            call()
        clock.now = frees + 0.5
        call()


def test_the_header_says_the_same_in_whole_seconds(clock, make_shell):
    client = make_shell(requests_per_minute=1).client()
    assert client.get("/v1/models").status_code == 200
    for later, seconds in [(0, "60"), (12.5, "48"), (40, "8"), (7, "1")]:
        clock.now += later
        limited = client.get("/v1/models")
        assert limited.status_code == 429
        assert limited.headers["Retry-After"] == seconds


@pytest.mark.parametrize(("tokens", "admitted"), [("one,two", True), ("", False)])
def test_a_token_tells_clients_apart_only_where_tokens_are_checked(make_shell, tokens, admitted):
    client = make_shell(requests_per_minute=1, api_tokens=tokens).client()

    def call(token):
        return client.get("/", headers={"Authorization": f"Bearer {token}"}).status_code

    assert call("one") == 200
    assert call("two") == (200 if admitted else 429)
    assert call("one") == 429


def test_without_a_limit_everybody_is_served(make_shell):
    client = make_shell().client()
    assert {client.get("/").status_code for _ in range(20)} == {200}


def test_one_client_does_not_use_up_the_minute_of_another():
    limit = RateLimit(1)
    for client in ("10.0.0.1", "10.0.0.2"):
        limit.count(client)
        with pytest.raises(RateLimited):
            limit.count(client)


def test_what_is_remembered_of_clients_is_no_token():
    limit = RateLimit(2)
    limit.count("s3cret")
    remembered = limit._limiter.storage.events
    assert len(remembered) == 1
    assert "s3cret" not in str(remembered)
