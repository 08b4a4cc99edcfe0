"""Background load, readiness and the states of a host's engines."""

import threading

import pytest
from prometheus_client import REGISTRY

from shared.core.errors import NotReady, Overloaded, UnknownModel
from shared.engines import engine_host, lost_device
from shared.engines.engine_host import EngineHost
from shared.engines.model_errors import model_failure
from shared.engines.registry import EngineEntry, EngineRegistry, EngineSpec


class FakeEngine:
    device = "cpu"

    def __init__(self, name, *, fault=None, gate=None, cold=None):
        self.spec = EngineSpec(
            name=name, model=name, licence="MIT", commercial_use=True, languages=frozenset({"en"})
        )
        self.fault = fault
        self.cold = cold
        self.gate = gate
        self.closed = False

    def load(self):
        if self.gate is not None:
            self.gate.wait(5)
        if self.fault is not None:
            raise self.fault

    def warm_up(self):
        if self.cold is not None:
            raise self.cold

    def close(self):
        self.closed = True


def host_of(*engines, queue_limit=1, retry_s=60.0):
    host = EngineHost(
        [(e.spec.name, lambda e=e: e) for e in engines],
        queue_limit=queue_limit,
        queue_timeout_s=1.0,
        retry_s=retry_s,
    )
    host.start()
    return host


def test_ready_only_after_every_engine_was_tried():
    gate = threading.Event()
    host = host_of(FakeEngine("a"), FakeEngine("b", gate=gate))
    assert not host.is_ready()
    gate.set()
    assert host.wait_settled(5)
    assert host.is_ready()
    assert [e.spec.name for e in host.engines()] == ["a", "b"]
    host.close()


def test_an_engine_that_fails_is_reported_and_the_others_serve():
    host = host_of(FakeEngine("a", fault=NotReady("run: mesh download")), FakeEngine("b"))
    assert host.wait_settled(5)
    assert host.is_ready()
    assert host.status()["a"] == {"state": "failed", "reason": "run: mesh download"}
    assert host.status()["b"]["state"] == "ready"
    host.close()


def test_an_engine_that_does_not_get_warm_is_freed():
    host = host_of(failed := FakeEngine("loads", cold=Overloaded("the GPU is full")))
    assert host.wait_settled(5)
    assert failed.closed
    assert host.status()["loads"] == {"state": "failed", "reason": "the GPU is full"}
    host.close()


def test_a_failed_start_is_told_in_the_librarys_words_too():
    cublas = RuntimeError("Library libcublas.so.12 is not found\nmore of it")
    host = host_of(
        FakeEngine("a", fault=cublas),
        FakeEngine("b", cold=model_failure("b", cublas)),
        FakeEngine("c", fault=KeyError()),
    )
    assert host.wait_settled(5)
    reasons = {name: entry["reason"] for name, entry in host.status().items()}
    assert reasons == {
        "a": "RuntimeError: Library libcublas.so.12 is not found",
        "b": "b: the model failed on this text: Library libcublas.so.12 is not found",
        "c": "KeyError",
    }
    with pytest.raises(NotReady, match=r"a: RuntimeError: Library libcublas"):
        host.engines()
    host.close()


def test_an_engine_whose_gpu_is_lost_is_no_longer_ready(monkeypatch):
    on_gpu = FakeEngine("gpu")
    on_gpu.device = "cuda:0"
    host = host_of(on_gpu, FakeEngine("cpu"))
    assert host.wait_settled(5)
    assert [e.spec.name for e in host.engines()] == ["gpu", "cpu"]
    monkeypatch.setattr(lost_device, "_reason", "the GPU is lost")
    assert [e.spec.name for e in host.engines()] == ["cpu"]
    assert host.is_ready()
    assert host.status()["gpu"] == {"state": "failed", "reason": "the GPU is lost"}
    labels = {"engine": "gpu"}
    assert REGISTRY.get_sample_value("voice_engine_ready", labels) == 0
    host.close()


def test_a_fault_after_loading_is_a_failed_start(monkeypatch):
    def broken(_device):
        raise RuntimeError("NVML is broken")

    monkeypatch.setattr(engine_host, "find_gpu", broken)
    host = host_of(FakeEngine("a"))
    assert host.wait_settled(5)
    assert host.status()["a"]["reason"] == "RuntimeError: NVML is broken"
    host.close()


def test_a_failed_engine_is_tried_again():
    engine = FakeEngine("a", fault=NotReady("not yet"))
    host = host_of(engine, retry_s=0.01)
    assert host.wait_settled(5)
    engine.fault = None
    while not host.is_ready():
        pass
    host.close()
    assert engine.closed


def test_a_lease_respects_the_engine_concurrency():
    engine = FakeEngine("a")
    host = host_of(engine, queue_limit=0)
    assert host.wait_settled(5)
    with host.lease(engine), pytest.raises(Overloaded):
        host.lease(engine)
    host.lease(engine).release()
    with pytest.raises(NotReady):
        host.lease(FakeEngine("stranger"))
    assert host.engine("a") is engine
    with pytest.raises(NotReady, match="'stranger' is not ready"):
        host.engine("stranger")
    host.close()


def test_no_engines_is_a_mistake():
    with pytest.raises(ValueError, match="at least one"):
        EngineHost([], queue_limit=1, queue_timeout_s=1)


def test_the_registry_names_what_is_missing_and_how_to_get_it():
    registry = EngineRegistry(
        {"x": EngineEntry(module="nowhere", requires=("no_such_module",), extra="x")}
    )
    assert registry.names == ("x",)
    assert registry.missing("x") == ["no_such_module"]
    with pytest.raises(NotReady, match=r"pip install -e '.\[x\]'"):
        registry.build("x", None)
    with pytest.raises(UnknownModel) as caught:
        registry.build("y", None)
    assert caught.value.details == {"available": ["x"]}


def test_the_registry_imports_the_engine_module_when_chosen():
    registry = EngineRegistry({"s": EngineEntry(module=__name__, requires=("json",), extra="s")})
    assert registry.build("s", "settings") == "built with settings"


def build(settings):
    return f"built with {settings}"


def test_a_host_that_is_closed_while_it_loads_builds_no_further_engine():
    gate, built = threading.Event(), []
    first = FakeEngine("a", gate=gate)

    def second():
        built.append("b")
        return FakeEngine("b")

    host = EngineHost(
        [("a", lambda: first), ("b", second)], queue_limit=1, queue_timeout_s=1.0, retry_s=60.0
    )
    host.start()
    closing = threading.Thread(target=host.close)
    closing.start()
    assert host._stopped.wait(5)
    gate.set()
    closing.join(5)
    assert not closing.is_alive()
    assert first.closed
    assert built == []


def test_a_failure_that_repeats_is_logged_once(caplog):
    attempts, another = [], threading.Event()

    class Failing(FakeEngine):
        def load(self):
            attempts.append(1)
            if len(attempts) == 6:
                another.set()
            raise NotReady("no network" if len(attempts) < 4 else "no disk")

    host = host_of(Failing("a"), retry_s=0.01)
    assert another.wait(5)
    host.close()
    reasons = [r.reason for r in caplog.records if r.message == "engine failed to load"]
    assert reasons == ["no network", "no disk"]
