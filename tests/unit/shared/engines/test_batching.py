"""Micro-batches: what goes together, who waits, what a full device or a bad item costs."""

import threading
import time
import weakref
from functools import partial
from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY

from shared.core.cancellation import watching
from shared.core.errors import ClientGone, EngineFailure, NotReady, Overloaded
from shared.core.metrics import BATCH_RETRIES, QUEUE_LEFT
from shared.engines import batching
from shared.engines.batching import Batcher, Limits, choose
from shared.engines.model_errors import OutOfMemory, out_of_memory_as_error

WIDE = Limits(items=8, padded=10_000, patience_s=0.0)


class Model:
    """Doubles numbers; remembers the batches; may be held, full or broken."""

    def __init__(self, room=8, bad=()):
        self.batches = []
        self.gate = threading.Event()
        self.gate.set()
        self.busy = threading.Event()
        self.room = room
        self.bad = set(bad)

    def run(self, items):
        self.busy.set()
        assert self.gate.wait(10)
        self.batches.append(list(items))
        if len(items) > self.room:
            raise OutOfMemory
        if self.bad & set(items):
            raise RuntimeError("broken on this very text")
        return [2 * item for item in items]


@pytest.fixture
def make():
    made = []

    def build(model, *, limits=WIDE, queue_limit=64, timeout_s=10.0):
        made.append(
            Batcher(
                "t", model.run, limits=limits, queue_limit=queue_limit, queue_timeout_s=timeout_s
            )
        )
        return made[-1]

    yield build
    for batcher in made:
        batcher.close()


def together(batcher, items, callers=None):
    """Submit at once from a thread each; results or errors in the order of the items."""
    found = [None] * len(items)

    def submit(index):
        caller = index if callers is None else callers[index]
        try:
            found[index] = batcher.submit(items[index], length=1, caller=caller)
        except Exception as error:
            found[index] = error

    threads = [threading.Thread(target=submit, args=(i,)) for i in range(len(items))]
    for thread in threads:
        thread.start()
    return found, threads


def join(threads):
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def waiting(batcher, count):
    until = time.monotonic() + 5
    while len(batcher._waiting) < count and time.monotonic() < until:
        time.sleep(0.005)
    assert len(batcher._waiting) == count


def hold(batcher, model):
    """Occupy the model with one item, so that what follows queues up."""
    model.gate.clear()
    found, threads = together(batcher, [1000])
    assert model.busy.wait(5)
    return found, threads


def three_at_once(batcher, model):
    """One item that the model works on, and two that wait."""
    _, held = hold(batcher, model)
    _, others = together(batcher, [1, 2])
    waiting(batcher, 2)
    return held, others


class TestChoose:
    def test_everything_alike_goes_together_up_to_the_limit(self):
        assert choose([5] * 10, range(10), Limits(4, 100, 0)) == [0, 1, 2, 3]

    def test_the_padded_size_is_bounded(self):
        assert choose([10, 10, 10], range(3), Limits(8, 25, 0)) == [0, 1]

    def test_an_item_above_the_bound_goes_alone(self):
        assert choose([50, 10], range(2), Limits(8, 25, 0)) == [0]

    def test_what_would_mostly_be_padding_waits(self):
        assert choose([10, 1000, 12, 900], range(4), WIDE) == [0, 2]
        assert choose([1000, 10, 900], range(3), WIDE) == [0, 2]

    def test_one_caller_with_many_items_does_not_keep_others_out(self):
        callers = ["a", "a", "a", "a", "b", "c"]
        assert choose([5] * 6, callers, Limits(3, 100, 0)) == [0, 4, 5]


def test_results_go_to_their_callers(make):
    model = Model()
    batcher = make(model)
    _, held = hold(batcher, model)
    found, threads = together(batcher, list(range(40)))
    waiting(batcher, 40)
    depth = partial(REGISTRY.get_sample_value, "voice_queue_depth", {"engine": "t/batch"})
    assert depth() == 40
    model.gate.set()
    join(held + threads)
    assert found == [2 * n for n in range(40)]
    assert depth() == 0


def test_what_waits_goes_in_one_batch(make):
    model = Model()
    batcher = make(model)
    _, held = hold(batcher, model)
    found, threads = together(batcher, [1, 2, 3])
    waiting(batcher, 3)
    model.gate.set()
    join(held + threads)
    assert found == [2, 4, 6]
    assert [sorted(batch) for batch in model.batches] == [[1000], [1, 2, 3]]


FOREVER_S = 60.0
"""A patience that no test lives to see the end of."""


def test_a_caller_that_is_alone_is_not_kept_waiting(make):
    batcher = make(Model(), limits=Limits(2, 100, FOREVER_S))
    assert [batcher.submit(n, length=1, caller="x") for n in (1, 2, 3)] == [2, 4, 6]


def test_where_items_have_met_the_next_one_waits_for_company(make):
    model = Model()
    batcher = make(model, limits=Limits(2, 100, FOREVER_S))
    held, others = three_at_once(batcher, model)
    model.gate.set()
    join(held + others)
    first_found, first = together(batcher, [3])
    waiting(batcher, 1)
    second_found, second = together(batcher, [4])
    # A full batch does not wait for the patience to end: the test would time out.
    join(first + second)
    assert first_found + second_found == [6, 8]
    assert [sorted(batch) for batch in model.batches] == [[1000], [1, 2], [3, 4]]


def test_when_all_that_were_there_are_there_again_nobody_is_waited_for(make):
    model = Model()
    batcher = make(model, limits=Limits(8, 100, FOREVER_S))
    held, others = three_at_once(batcher, model)
    model.gate.set()
    join(held)
    # Three were there at once; the one that was served first comes back.
    _, again = together(batcher, [3])
    join(others + again)
    assert [sorted(batch) for batch in model.batches] == [[1000], [1, 2, 3]]


def test_company_of_long_ago_is_not_waited_for(make, monkeypatch):
    monkeypatch.setattr(batching, "_CROWD_S", 0.0)
    model = Model()
    batcher = make(model, limits=Limits(2, 100, FOREVER_S))
    held, others = three_at_once(batcher, model)
    model.gate.set()
    join(held + others)
    assert batcher.submit(3, length=1, caller="x") == 6


def test_a_full_queue_refuses_at_once(make):
    model = Model()
    batcher = make(model, queue_limit=1)
    _, held = hold(batcher, model)
    _, threads = together(batcher, [1])
    waiting(batcher, 1)
    with pytest.raises(Overloaded) as refused:
        batcher.submit(2, length=1, caller="x")
    assert refused.value.retry_after >= 1
    model.gate.set()
    join(held + threads)


def test_the_deadline_takes_an_item_out_of_the_queue(make):
    model = Model()
    batcher = make(model, timeout_s=0.2)
    _, held = hold(batcher, model)
    with pytest.raises(Overloaded):
        batcher.submit(7, length=1, caller="x")
    assert not batcher._waiting
    model.gate.set()
    join(held)
    assert [7] not in model.batches


def test_an_item_whose_client_has_left_is_never_run(make):
    model = Model()
    batcher = make(model)
    before = QUEUE_LEFT.labels(engine="t", reason="client_gone")._value.get()
    _, held = hold(batcher, model)
    with watching(lambda: True), pytest.raises(ClientGone):
        batcher.submit(7, length=1, caller="x")
    model.gate.set()
    join(held)
    assert all(7 not in batch for batch in model.batches)
    assert QUEUE_LEFT.labels(engine="t", reason="client_gone")._value.get() == before + 1


def test_a_batch_too_large_for_the_device_is_run_in_halves(make):
    model = Model(room=2)
    batcher = make(model)
    before = BATCH_RETRIES.labels(engine="t", reason="out_of_memory")._value.get()
    _, held = hold(batcher, model)
    found, threads = together(batcher, [1, 2, 3, 4, 5])
    waiting(batcher, 5)
    model.gate.set()
    join(held + threads)
    assert found == [2, 4, 6, 8, 10]
    assert max(len(batch) for batch in model.batches if len(batch) <= 2) == 2
    assert BATCH_RETRIES.labels(engine="t", reason="out_of_memory")._value.get() > before


def test_nothing_of_a_failed_pass_is_held_while_its_halves_run(make):
    class OutOfMemoryError(RuntimeError):
        """As torch names its own."""

    class Activation:
        """What a forward pass makes on the device."""

    alive = weakref.WeakSet()

    def forward(items):
        made = Activation()
        alive.add(made)
        if len(items) > 1:
            raise OutOfMemoryError
        return list(items)

    class Real(Model):
        def run(self, items):
            self.busy.set()
            assert self.gate.wait(10)
            held.append(len(alive))
            with out_of_memory_as_error("cpu"):
                return forward(items)

    held = []
    model = Real()
    batcher = make(model)
    _, first = hold(batcher, model)
    found, threads = together(batcher, [1, 2, 3, 4])
    waiting(batcher, 4)
    model.gate.set()
    join(first + threads)
    assert found == [1, 2, 3, 4]
    assert held == [0] * 8, "one, four, two twos, four ones"


def test_an_item_too_large_for_the_device_is_refused_and_the_service_lives(make):
    model = Model(room=0)
    batcher = make(model)
    with pytest.raises(Overloaded, match="memory"):
        batcher.submit(1, length=1, caller="x")
    model.room = 8
    assert batcher.submit(1, length=1, caller="x") == 2


def test_one_bad_item_spoils_no_other(make, caplog):
    model = Model(bad=[3])
    batcher = make(model)
    _, held = hold(batcher, model)
    found, threads = together(batcher, [1, 2, 3, 4])
    waiting(batcher, 4)
    model.gate.set()
    join(held + threads)
    assert found[:2] == [2, 4]
    assert found[3] == 8
    assert isinstance(found[2], EngineFailure)
    assert "this very text" not in caplog.text


def test_closing_refuses_what_waits_and_what_comes(make):
    model = Model()
    batcher = make(model)
    first, held = hold(batcher, model)
    found, threads = together(batcher, [1])
    waiting(batcher, 1)
    closing = threading.Thread(target=batcher.close)
    closing.start()
    join(threads)
    assert isinstance(found[0], NotReady)
    model.gate.set()
    join([closing, *held])
    assert first == [2000]
    with pytest.raises(NotReady):
        batcher.submit(1, length=1, caller="x")


def test_the_estimate_follows_what_batches_take(make, monkeypatch):
    clock = SimpleNamespace(now=time.monotonic())
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(batching, "time", clock)

    class Slow(Model):
        def run(self, items):
            clock.now += 101
            return super().run(items)

    model = Slow()
    batcher = make(model, limits=Limits(1, 10_000, 0), queue_limit=1)
    batcher.submit(1, length=1, caller="a")
    model.busy.clear()
    _, held = hold(batcher, model)
    _, waits = together(batcher, [2])
    waiting(batcher, 1)
    with pytest.raises(Overloaded, match="full") as refused:
        batcher.submit(3, length=1, caller="c")
    model.gate.set()
    join(held + waits)
    # A tenth of 101 s, and nine tenths of the 0.1 s that is taken for granted, for two batches.
    assert refused.value.retry_after == pytest.approx(2 * 10.19)


def test_a_model_that_loses_a_result_fails_and_the_next_item_is_served(make):
    class Forgetful(Model):
        def run(self, items):
            return [] if items == [1] else super().run(items)

    batcher = make(Forgetful())
    with pytest.raises(EngineFailure):
        batcher.submit(1, length=1, caller="a")
    assert batcher.submit(2, length=1, caller="a") == 4
