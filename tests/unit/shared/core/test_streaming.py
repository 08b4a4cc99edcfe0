"""prime(), ClosingIterator: errors early, closing always."""

import pytest

from shared.core.streaming import ClosingIterator, prime


class Source:
    def __init__(self, items, fault=None):
        self.items = list(items)
        self.fault = fault
        self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.items:
            return self.items.pop(0)
        if self.fault:
            raise self.fault
        raise StopIteration

    def close(self):
        self.closed += 1


def test_prime_keeps_every_item():
    assert list(prime(iter([1, 2, 3]))) == [1, 2, 3]
    assert list(prime(iter([]))) == []


def test_prime_raises_the_first_error_at_once_and_closes():
    source = Source([], fault=RuntimeError("x"))
    with pytest.raises(RuntimeError):
        prime(source)
    assert source.closed == 1


def test_a_primed_stream_closed_before_its_first_item_closes_the_source():
    source = Source([1, 2])
    prime(source).close()
    assert source.closed == 1


@pytest.mark.parametrize("fault", [None, RuntimeError("x")])
def test_cleanup_runs_once_at_the_end_or_the_error(fault):
    ran = []
    wrapped = ClosingIterator(Source([1], fault), lambda: ran.append(1))
    assert next(wrapped) == 1
    with pytest.raises(RuntimeError if fault else StopIteration):
        next(wrapped)
    wrapped.close()
    assert ran == [1]


def test_cleanup_runs_when_closed_unstarted():
    ran, source = [], Source([1])
    ClosingIterator(source, lambda: ran.append(1)).close()
    assert ran == [1]
    assert source.closed == 1


def test_after_its_close_a_primed_stream_gives_nothing_more():
    source = Source([1, 2])
    items = prime(source)
    source.items.clear()
    items.close()
    assert list(items) == []
