"""Devices: what was asked for, or a reason."""

import sys
import types

import pytest

from shared.core.errors import NotReady
from shared.engines import device
from shared.engines.device import first_line, is_out_of_memory, resolve_device


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
    ("cuda", "built", "driver", "found"),
    [
        (2, "13.0", None, "cuda:1"),
        (0, "13.0", None, "no GPU is visible"),
        (0, None, None, "built without CUDA"),
        (0, "13.0", RuntimeError("The NVIDIA driver is too old\nUpdate it"), "driver is too old$"),
    ],
)
def test_torch_is_asked_what_it_can_use(monkeypatch, cuda, built, driver, found):
    def init():
        if driver is not None:
            raise driver

    torch = types.SimpleNamespace(
        cuda=types.SimpleNamespace(
            is_available=lambda: cuda > 0, device_count=lambda: cuda, init=init
        ),
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
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_which_errors_mean_a_full_device(error, full):
    assert is_out_of_memory(error) is full


def test_the_cache_is_freed_on_a_gpu_only(monkeypatch):
    freed = []
    torch = types.SimpleNamespace(cuda=types.SimpleNamespace(empty_cache=lambda: freed.append(1)))
    monkeypatch.setitem(sys.modules, "torch", torch)
    device.free_cached_memory("cpu")
    device.free_cached_memory("cuda:0")
    assert freed == [1]


def test_of_a_message_the_beginning_is_told():
    assert (
        first_line(OSError("libcublas.so.12: cannot open\nmore")) == "libcublas.so.12: cannot open"
    )
    assert len(first_line(ValueError("x" * 1000))) == 200
    assert first_line(ValueError()) == "ValueError"
