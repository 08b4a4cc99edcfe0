"""What NVML tells of a GPU, and what it does not."""

import importlib.machinery
import logging
import math
import sys
import types

import pytest

from shared.core.metrics import GPU_MEMORY, GPU_MEMORY_TOTAL, GPU_UTILISATION
from shared.engines import gpu
from shared.engines.gpu import find_gpu

GAUGES = (GPU_MEMORY, GPU_MEMORY_TOTAL, GPU_UTILISATION)


class FakeNvml(types.ModuleType):
    NVMLError = type("NVMLError", (Exception,), {})

    def __init__(self, broken=False):
        super().__init__("pynvml")
        self.__spec__ = importlib.machinery.ModuleSpec("pynvml", None)
        self.broken = broken
        self.asked = []
        self.silent = False

    def nvmlInit(self):  # noqa: N802
        if self.broken:
            raise self.NVMLError

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        self.asked.append(index)
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid):  # noqa: N802
        self.asked.append(uuid)
        return uuid

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return self.told(b"Tester 9000")

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return self.told(types.SimpleNamespace(used=7, total=9))

    def nvmlDeviceGetUtilizationRates(self, handle):  # noqa: N802
        return self.told(types.SimpleNamespace(gpu=50))

    def told(self, answer):
        if self.silent:
            raise self.NVMLError("Not Supported")
        return answer


@pytest.fixture
def nvml(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    return sys.modules["pynvml"]


def published(device):
    """Values of the gauges that have the label."""
    return [
        sample.value
        for gauge in GAUGES
        for sample in gauge.collect()[0].samples
        if sample.labels["device"] == device
    ]


def test_it_is_named_and_measured(nvml):
    found = find_gpu("cuda:3")
    assert found.figures() == {
        "gpu": "Tester 9000",
        "gpu_memory_used_bytes": 7,
        "gpu_memory_total_bytes": 9,
        "gpu_utilisation": 0.5,
    }
    found.publish()
    assert published("cuda:3") == [7, 9, 0.5]


def test_a_driver_that_falls_silent_loses_no_other_metric(nvml):
    found = find_gpu("cuda:4")
    found.publish()
    nvml.silent = True
    assert found.figures() == {}
    assert all(math.isnan(value) for value in published("cuda:4"))


def test_what_a_driver_never_tells_is_no_metric(nvml):
    nvml.silent = True
    find_gpu("cuda:5").publish()
    assert published("cuda:5") == []


@pytest.mark.parametrize(("visible", "asked"), [("4,5", 5), ("GPU-a,GPU-b", "GPU-b")])
def test_cuda_s_numbers_are_those_of_the_visible_gpus(nvml, monkeypatch, visible, asked):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert find_gpu("cuda:1") is not None
    assert nvml.asked == [asked]


def test_without_nvml_or_a_gpu_there_is_a_word(monkeypatch, caplog):
    caplog.set_level(logging.WARNING)
    assert find_gpu("cpu") is None
    assert not caplog.records
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(broken=True))
    assert find_gpu("cuda:0") is None
    assert "no GPU metrics" in caplog.text
    caplog.clear()
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    assert find_gpu("cuda:0") is None
    assert "nvidia-ml-py" in caplog.text
