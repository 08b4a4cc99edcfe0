"""Ports for servers that tests start."""

from __future__ import annotations

import random
import socket


def free_ports(count: int) -> list[int]:
    """Ports free now; held all at once, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for held in sockets:
            held.bind(("127.0.0.1", 0))
        return [int(held.getsockname()[1]) for held in sockets]
    finally:
        for held in sockets:
            held.close()


def four_in_a_row() -> int:
    """Return the first of four ports that are free one behind the other."""
    # Begin anywhere: other tests may look for ports at the same time.
    begin = random.randrange(2_000, 3_000) * 10
    for port in range(begin, 60_000, 10):
        held: list[socket.socket] = []
        try:
            for number in range(port, port + 4):
                held.append(socket.socket())
                held[-1].bind(("127.0.0.1", number))
        except OSError:
            continue
        finally:
            for listener in held:
                listener.close()
        return port
    raise AssertionError("no four free ports")
