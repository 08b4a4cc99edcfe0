"""When a caller who has used up its minute may come back."""

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from gateway.rate_limit import RateLimit
from shared.core.errors import RateLimited


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
    limit = RateLimit(2, by_token=False)
    environ = EnvironBuilder(environ_base={"REMOTE_ADDR": "10.0.0.1"}).get_environ()
    return lambda: limit.check(Request(environ))


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


def test_the_header_says_the_same_in_whole_seconds(clock, make_client):
    client = make_client(rate_limit_per_minute=1)
    assert client.get("/v1/models").status_code == 200
    for later, seconds in [(0, "60"), (12.5, "48"), (40, "8"), (7, "1")]:
        clock.now += later
        limited = client.get("/v1/models")
        assert limited.status_code == 429
        assert limited.headers["Retry-After"] == seconds


@pytest.mark.parametrize(("by_token", "admitted"), [(True, True), (False, False)])
def test_a_token_tells_clients_apart_only_where_tokens_are_checked(by_token, admitted):
    limit = RateLimit(1, by_token=by_token)

    def call(token):
        environ = EnvironBuilder(
            environ_base={"REMOTE_ADDR": "10.0.0.1"}, headers={"Authorization": f"Bearer {token}"}
        ).get_environ()
        limit.check(Request(environ))

    call("one")
    if admitted:
        call("two")
    else:
        with pytest.raises(RateLimited):
            call("two")


def test_probes_are_answered_however_often_they_ask(make_client):
    client = make_client(rate_limit_per_minute=1)
    for path in ("/livez", "/readyz", "/metrics") * 2:
        assert client.get(path).status_code == 200
    assert client.get("/v1/models").status_code == 200


def test_what_is_remembered_of_callers_is_no_token():
    limit = RateLimit(2, by_token=True)
    headers = {"Authorization": "Bearer s3cret"}
    limit.check(Request(EnvironBuilder(headers=headers).get_environ()))
    remembered = limit._limiter.storage.events
    assert len(remembered) == 1
    assert "s3cret" not in str(remembered)
