"""What a system says when a disk has no room left."""

from __future__ import annotations

import errno
from typing import TypeGuard

_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_full(error: BaseException) -> TypeGuard[OSError]:
    """Whether ``error`` says that the disk, or one's share of it, is full."""
    return isinstance(error, OSError) and error.errno in _FULL
