"""Detect errors that mean the disk is full."""

from __future__ import annotations

import errno
from typing import TypeGuard

_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_full(error: BaseException) -> TypeGuard[OSError]:
    """Return whether ``error`` means that the disk or the user's quota is full."""
    return isinstance(error, OSError) and error.errno in _FULL
