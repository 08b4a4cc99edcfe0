"""Whether a language model's address is ours, so that the environment's web proxy is left out."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_near(url: str) -> bool:
    """Whether ``url`` names this machine, a container beside us or a private network.

    A proxy on the way out does not know such addresses: asked for Ollama on ``localhost`` it
    answers with its own 502 or 403.
    """
    host = urlsplit(url if "://" in url else f"//{url}").hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))
    return address.is_loopback or address.is_private or address.is_link_local
