"""Detect local and private addresses, which are reached without the environment's web proxy."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_near(url: str) -> bool:
    """Check whether ``url`` names this machine, a neighbouring container or a private network.

    An outbound proxy cannot reach such addresses: for Ollama on ``localhost`` it returns its own
    502 or 403.
    """
    host = urlsplit(url if "://" in url else f"//{url}").hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))
    return address.is_loopback or address.is_private or address.is_link_local
