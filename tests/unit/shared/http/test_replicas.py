"""The replicas of a service: where they are, and which one is asked next."""

import socket
import threading

import pytest

from shared.http.client import replicas as module
from shared.http.client.replicas import Replicas, resolve


def resolving(*addresses):
    return lambda host, port: list(addresses)


def entry(family, address):
    sockaddr = (address, 80) if family == socket.AF_INET else (address, 80, 0, 0)
    return (family, socket.SOCK_STREAM, 6, "", sockaddr)


@pytest.mark.parametrize(
    ("found", "addresses"),
    [
        ([(socket.AF_INET, "10.0.0.2"), (socket.AF_INET, "10.0.0.1")], ["10.0.0.1", "10.0.0.2"]),
        ([(socket.AF_INET, "10.0.0.1"), (socket.AF_INET6, "fd00::1")], ["10.0.0.1"]),
        ([(socket.AF_INET6, "fd00::2"), (socket.AF_INET6, "fd00::1")], ["fd00::1", "fd00::2"]),
        ([(socket.AF_INET, "10.0.0.1")] * 2, ["10.0.0.1"]),
        ([], []),
    ],
)
def test_a_host_with_addresses_of_both_kinds_is_one_replica(monkeypatch, found, addresses):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [entry(*each) for each in found])
    assert resolve("tts", 80) == addresses


def test_each_address_is_a_replica_with_its_port():
    found = Replicas("tts", ["http://tts:5000/", "http://other"], resolving("10.0.0.1", "10.0.0.2"))
    assert found.addresses() == [
        "http://10.0.0.1:5000",
        "http://10.0.0.2:5000",
        "http://10.0.0.1:80",
        "http://10.0.0.2:80",
    ]


def test_an_address_that_is_named_twice_is_one_replica():
    found = Replicas("tts", ["http://a:5000", "http://b:5000"], resolving("10.0.0.1"))
    assert found.addresses() == ["http://10.0.0.1:5000"]


def test_a_host_with_ipv6_only():
    found = Replicas("tts", ["http://tts:5000"], resolving("fd00::1"))
    assert found.addresses() == ["http://[fd00::1]:5000"]


def test_an_https_url_keeps_its_name():
    def never(host, port):
        raise AssertionError("the certificate is for the name")

    found = Replicas("tts", ["https://tts.example:8443/"], never)
    assert found.addresses() == ["https://tts.example:8443"]


def test_a_name_that_does_not_resolve_stays_a_name_until_it_does(monkeypatch):
    monkeypatch.setattr(module, "RESOLVE_EVERY_S", 0)
    answers = []

    def resolver(host, port):
        if not answers:
            raise OSError
        return answers

    found = Replicas("tts", ["http://tts:5000"], resolver)
    assert found.addresses() == ["http://tts:5000"]
    assert not found.is_resolved()
    answers.append("10.0.0.1")
    assert found.addresses() == ["http://10.0.0.1:5000"]
    assert found.is_resolved()
    answers.clear()
    assert found.addresses() == ["http://10.0.0.1:5000"], "what was found stays"


def test_names_are_resolved_again_after_a_while_only(monkeypatch):
    asked = []
    found = Replicas("tts", ["http://tts:5000"], lambda *_: asked.append(1) or ["10.0.0.1"])
    for _ in range(3):
        found.addresses()
    assert len(asked) == 1
    assert not found.is_stale()
    monkeypatch.setattr(module, "RESOLVE_EVERY_S", 0)
    assert found.is_stale()
    assert found.known_addresses() == ["http://10.0.0.1:5000"]
    assert len(asked) == 1, "what is known needs no question"
    found.addresses()
    assert len(asked) == 2


URLS = ["http://10.0.0.1", "http://10.0.0.2", "http://10.0.0.3"]


@pytest.fixture
def three():
    return Replicas("tts", ["http://tts"], resolving("10.0.0.1"))


def urls(replicas):
    return [replica.url for replica in replicas]


def test_idle_replicas_take_turns(three):
    firsts = [three.by_load(URLS)[0].url for _ in range(6)]
    assert firsts == URLS * 2
    assert all(sorted(urls(three.by_load(URLS))) == URLS for _ in range(3))


def test_the_least_busy_comes_first(three):
    one, two, third = sorted(three.by_load(URLS), key=lambda r: r.url)
    for replica, busy in ((one, 2), (third, 1)):
        for _ in range(busy):
            three.begin(replica)
    for _ in range(5):
        assert urls(three.by_load(URLS)) == [two.url, third.url, one.url]
    three.end(one)
    three.end(one)
    assert three.by_load(URLS)[2] is third


def test_a_replica_keeps_its_circuit_and_its_load(three):
    first = three.by_load(URLS)[0]
    three.begin(first)
    again = next(r for r in three.by_load(URLS[:1] + URLS[1:]) if r.url == first.url)
    assert again is first
    assert again.busy == 1


def test_many_threads_count_right(three):
    replica = three.by_load(URLS)[0]

    def work():
        for _ in range(1000):
            three.begin(replica)
            three.end(replica)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replica.busy == 0


def test_no_urls_is_a_mistake():
    with pytest.raises(ValueError, match="no upstream"):
        Replicas("x", [])
