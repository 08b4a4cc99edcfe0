"""Weights are told apart without reading them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.models.identity import identity_of


def test_a_changed_file_is_another_one(tmp_path: Path) -> None:
    file = tmp_path / "model.pth"
    file.write_bytes(b"one")
    os.utime(file, (1, 1))
    first = identity_of(file)
    assert identity_of(file) == first == {"model.pth": "3-1000000000"}
    file.write_bytes(b"two")
    assert identity_of(file) != first
    with pytest.raises(OSError, match="missing"):
        identity_of(tmp_path / "missing")


def test_a_file_of_the_hub_goes_by_its_digest(tmp_path: Path) -> None:
    for place in ("here", "there"):
        blobs = tmp_path / place / "blobs"
        blobs.mkdir(parents=True)
        (blobs / "abc123").write_bytes(b"weights")
        os.utime(blobs / "abc123", (len(place), 1))
        (tmp_path / place / "x.nemo").symlink_to(blobs / "abc123")
    identities = [identity_of(tmp_path / place / "x.nemo") for place in ("here", "there")]
    assert identities == [{"x.nemo": "abc123"}] * 2
