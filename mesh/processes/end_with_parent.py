"""Start a program that ends when its parent does: ``end_with_parent.py PARENT_PID program args…``.

Linux signals a process at its parent's death on request (prctl(2), PR_SET_PDEATHSIG); the setting
survives execve(2). A separate process makes the request, because code between fork and exec in a
program with threads may deadlock (the ``preexec_fn`` of ``subprocess``).

The file is run as a script, so it uses only the standard library and nothing of this package.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Option number from <linux/prctl.h>."""


def main() -> None:
    """Request the parent-death signal, then replace this process with the program."""
    parent = int(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    # The parent may have died before the request was made.
    if os.getppid() != parent:
        sys.exit("the supervisor is gone")
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - a fixed program, no shell


if __name__ == "__main__":
    main()
