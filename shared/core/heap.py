"""The C heap of a process that allocates large buffers in many threads."""

from __future__ import annotations

import ctypes
import logging

log = logging.getLogger(__name__)

# From glibc's malloc.h; mallopt(3).
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

_MIB = 1024 * 1024


def steady_heap() -> bool:
    """Keep glibc's heap from growing with the number of threads; False on another C library.

    By default each thread gets a heap of its own, which keeps what was freed in it, and the size
    from which buffers are mapped (and so given back) rises to 32 MiB as they are used. With audio
    buffers in some fifty server threads that came to 4 GB after 60 requests of a speech engine;
    with two heaps and a fixed threshold of 1 MiB the process stayed within 30 MB of its start.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        log.info("not glibc: heap left as it is")
        return False
    done = (
        mallopt(_M_ARENA_MAX, 2),
        mallopt(_M_MMAP_THRESHOLD, _MIB),
        mallopt(_M_TRIM_THRESHOLD, 16 * _MIB),
    )
    return all(done)
