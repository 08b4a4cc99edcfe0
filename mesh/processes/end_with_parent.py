"""Start a program that ends when its parent does: ``end_with_parent.py PARENT_PID program args…``.

Linux tells a process about its parent's death when asked to (prctl(2), PR_SET_PDEATHSIG); the
wish survives execve(2). It is asked for here, in a process of its own, because code between fork
and exec in a program that has threads may deadlock (the ``preexec_fn`` of ``subprocess``).

Standard library only, and nothing of this package: it is run as a file.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""<linux/prctl.h>"""


def main() -> None:
    """Tie this process to its parent, then become the program."""
    parent = int(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    # The parent may have died before the wish was known.
    if os.getppid() != parent:
        sys.exit("the supervisor is gone")
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - a fixed program, no shell


if __name__ == "__main__":
    main()
