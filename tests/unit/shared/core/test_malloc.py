from __future__ import annotations

import ctypes

import pytest

from shared.core.malloc import steady_heap


def test_glibc_takes_the_settings() -> None:
    assert steady_heap() is True


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert steady_heap() is False
