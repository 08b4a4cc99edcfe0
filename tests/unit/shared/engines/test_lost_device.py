"""Errors that mean that the GPU is gone for this process, and those that do not."""

import sys
import types

import pytest

from shared.core.errors import EngineFailure
from shared.engines import lost_device
from shared.engines.model_errors import model_failure


class AcceleratorError(RuntimeError):
    """As torch names its own."""


ASSERT = "CUDA error: device-side assert triggered"


@pytest.fixture(autouse=True)
def told(monkeypatch):
    """Calls of whoever asked to be told."""
    calls = []
    monkeypatch.setattr(lost_device, "_reason", "")
    monkeypatch.setattr(lost_device, "_when_lost", [lambda: calls.append(1)])
    return calls


@pytest.fixture
def torch(monkeypatch):
    """A torch at work on a GPU, whose next call fails or not."""
    fake = types.SimpleNamespace(fault=None)

    def synchronize():
        if fake.fault is not None:
            raise fake.fault

    fake.cuda = types.SimpleNamespace(is_initialized=lambda: True, synchronize=synchronize)
    monkeypatch.setitem(sys.modules, "torch", fake)
    return fake


def test_an_error_that_lasts_takes_the_gpu(torch, told):
    torch.fault = AcceleratorError(ASSERT)
    failure = model_failure("e", AcceleratorError(ASSERT))
    assert isinstance(failure, EngineFailure)
    assert "replaced" in lost_device.reason()
    assert lost_device.notice(ValueError("another"))
    assert told == [1]


def test_an_error_that_does_not_last_fails_one_request(torch, told):
    assert not lost_device.notice(RuntimeError("cuDNN error: CUDNN_STATUS_BAD_PARAM"))
    assert lost_device.reason() == ""
    assert told == []


def test_errors_of_other_things_are_not_asked_about(torch):
    torch.fault = AcceleratorError(ASSERT)
    assert not lost_device.notice(ValueError("bad shape"))
    assert not lost_device.notice(RuntimeError("bad shape"))


@pytest.mark.parametrize("working", [None, types.SimpleNamespace(is_initialized=lambda: False)])
def test_where_torch_is_not_at_work_the_words_decide(monkeypatch, told, working):
    module = None if working is None else types.SimpleNamespace(cuda=working)
    monkeypatch.setitem(sys.modules, "torch", module)
    assert lost_device.notice(RuntimeError("CUDA failed with error an illegal memory access"))
    assert told == [1]
