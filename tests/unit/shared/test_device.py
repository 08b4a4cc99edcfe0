"""Devices: what was asked for or a reason, and what NVML says of them."""

import importlib.machinery
import logging
import sys
import types

import pytest

from shared import device
from shared.device import gpu_name, is_out_of_memory, publish_gpu_metrics, resolve_device
from shared.errors import NotReady
from shared.metrics import GPU_MEMORY, GPU_MEMORY_TOTAL, GPU_UTILISATION


@pytest.mark.parametrize(
    ("wanted", "gpus", "found"),
    [
        ("cpu", 2, "cpu"),
        ("auto", 0, "cpu"),
        ("auto", 1, "cuda:0"),
        ("cuda", 1, "cuda:0"),
        (" CUDA:1 ", 2, "cuda:1"),
    ],
)
def test_devices_that_are_there(wanted, gpus, found):
    assert resolve_device(wanted, gpus=gpus) == found


@pytest.mark.parametrize(
    ("wanted", "gpus", "reason"),
    [
        ("cuda", 0, "no GPU"),
        ("cuda:2", 2, "there are 2 GPUs"),
        ("tpu", 1, "is no device"),
        ("cuda:x", 1, "is no device"),
        ("", 1, "is no device"),
    ],
)
def test_a_device_that_is_not_there_is_never_replaced(wanted, gpus, reason):
    with pytest.raises(NotReady, match=reason) as refused:
        resolve_device(wanted, gpus=gpus)
    assert refused.value.code == "no_device"


@pytest.mark.parametrize(
    ("cuda", "built", "found"),
    [(2, "13.0", "cuda:1"), (0, "13.0", "no GPU is visible"), (0, None, "built without CUDA")],
)
def test_torch_is_asked_what_it_can_use(monkeypatch, cuda, built, found):
    torch = types.SimpleNamespace(
        cuda=types.SimpleNamespace(is_available=lambda: cuda > 0, device_count=lambda: cuda),
        version=types.SimpleNamespace(cuda=built),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    if cuda:
        assert device.resolve_torch_device("cuda:1") == found
    else:
        with pytest.raises(NotReady, match=found):
            device.resolve_torch_device("cuda:1")


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OutOfMemoryError(), True),
        (RuntimeError("CUDA failed with error out of memory"), True),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_which_errors_mean_a_full_device(error, full):
    assert is_out_of_memory(error) is full


class FakeNvml(types.ModuleType):
    NVMLError = type("NVMLError", (Exception,), {})

    def __init__(self, broken=False):
        super().__init__("pynvml")
        self.__spec__ = importlib.machinery.ModuleSpec("pynvml", None)
        self.broken = broken
        self.asked = []

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
        return b"Tester 9000"

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return types.SimpleNamespace(used=7, total=9)

    def nvmlDeviceGetUtilizationRates(self, handle):  # noqa: N802
        return types.SimpleNamespace(gpu=50)


@pytest.fixture
def nvml(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    return sys.modules["pynvml"]


def test_the_gpu_is_named_and_measured(nvml):
    assert gpu_name("cuda:3") == "Tester 9000"
    publish_gpu_metrics("cuda:3")
    assert GPU_MEMORY.labels(device="cuda:3")._value is not None
    values = [
        metric.labels(device="cuda:3").collect()[0].samples[0].value
        for metric in (GPU_MEMORY, GPU_MEMORY_TOTAL, GPU_UTILISATION)
    ]
    assert values == [7, 9, 0.5]


@pytest.mark.parametrize(("visible", "asked"), [("4,5", 5), ("GPU-a,GPU-b", "GPU-b")])
def test_cuda_s_numbers_are_those_of_the_visible_gpus(nvml, monkeypatch, visible, asked):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_name("cuda:1") == "Tester 9000"
    assert nvml.asked == [asked]


def test_without_nvml_or_a_gpu_there_is_a_word_and_no_metric(monkeypatch, caplog):
    caplog.set_level(logging.WARNING)
    assert gpu_name("cpu") is None
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(broken=True))
    publish_gpu_metrics("cuda:0")
    assert "no GPU metrics" in caplog.text
    caplog.clear()
    monkeypatch.setattr(device, "find_spec", lambda name: None)
    assert gpu_name("cuda:0") is None
    assert "nvidia-ml-py" in caplog.text


def test_the_cache_is_freed_on_a_gpu_only(monkeypatch):
    freed = []
    torch = types.SimpleNamespace(cuda=types.SimpleNamespace(empty_cache=lambda: freed.append(1)))
    monkeypatch.setitem(sys.modules, "torch", torch)
    device.free_cached_memory("cpu")
    device.free_cached_memory("cuda:0")
    assert freed == [1]
