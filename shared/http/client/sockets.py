"""Options of ``websocket-client`` for WebSockets to other services."""

from __future__ import annotations

from typing import Any, Final

NO_PROXY: Final[dict[str, Any]] = {"http_proxy_host": "unused", "http_no_proxy": ["*"]}
"""Options that keep a connection from the proxies of the environment.

The library ignores ``http_no_proxy`` unless a proxy is named.
"""
