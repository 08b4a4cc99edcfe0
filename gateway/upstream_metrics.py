"""Add the metrics of all services to the gateway's ``/metrics``.

Prometheus may reach only the gateway. At each scrape the gateway queries every replica and adds the
labels ``service`` and ``instance`` to its samples.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from gateway.upstream import Upstream
from shared.core.errors import UpstreamUnavailable
from shared.core.metrics import UPSTREAM_METRICS_UP

log = logging.getLogger(__name__)

MOST_BYTES = 1 << 20
"""Maximum size of one replica's metrics, bytes; they usually take some 100 KB."""
FRESH_S = 1.0
"""How long an answer is cached, seconds. /metrics needs no token, and each query reaches every
replica.
"""


class UpstreamMetrics:
    """Merges the gateway's metrics with those of all replicas of ``upstreams``."""

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        self._upstreams = upstreams
        self._lock = asyncio.Lock()
        self._answer = b""
        self._made_at = -FRESH_S

    async def add_to(self, own: bytes) -> bytes:
        """Return ``own`` and the replicas' metrics in the text format, each family once.

        A replica without a valid answer is omitted, and its ``voice_upstream_metrics_up`` is 0.
        """
        async with self._lock:
            if time.monotonic() - self._made_at >= FRESH_S:
                found = await self._collect()
                # Parsing takes some 10 ms, in which the event loop serves others.
                self._answer = await asyncio.to_thread(_merged, own, found)
                self._made_at = time.monotonic()
            return self._answer

    async def _collect(self) -> list[tuple[str, str, bytes | None]]:
        """Return service, URL and metrics of each replica."""
        replicas = [
            (service, replica.url)
            for service, upstream in self._upstreams.items()
            for replica in await upstream.candidates()
        ]
        texts = await asyncio.gather(*(self._of_replica(*replica) for replica in replicas))
        return [(*replica, text) for replica, text in zip(replicas, texts, strict=True)]

    async def _of_replica(self, service: str, url: str) -> bytes | None:
        try:
            return await self._upstreams[service].read_metrics(url, MOST_BYTES)
        except UpstreamUnavailable as error:
            _log_missing(service, url, error.message)
            return None


def _merged(own: bytes, found: list[tuple[str, str, bytes | None]]) -> bytes:
    families = _Families()
    families.add(_parsed(own))
    UPSTREAM_METRICS_UP.clear()
    for service, url, text in found:
        instance = _instance(url)
        theirs: list[Metric] | None = None
        if text is not None:
            try:
                theirs = _parsed(text)
            except ValueError:
                _log_missing(service, url, "not in the text format")
        up = UPSTREAM_METRICS_UP.labels(service=service, instance=instance)
        up.set(theirs is not None)
        families.add(_labelled(theirs or (), service, instance))
    families.add(UPSTREAM_METRICS_UP.collect())
    return generate_latest(families)


def _log_missing(service: str, url: str, reason: str) -> None:
    log.warning(
        "no metrics", extra={"upstream": service, "replica": _instance(url), "reason": reason}
    )


class _Families(Collector):
    """A collector of samples by family; the text format has HELP and TYPE once per family."""

    def __init__(self) -> None:
        self._families: dict[str, Metric] = {}

    def add(self, families: Iterable[Metric]) -> None:
        for family in families:
            known = self._families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            known.samples += family.samples

    def collect(self) -> Iterator[Metric]:
        return iter(self._families.values())


def _parsed(text: bytes) -> list[Metric]:
    """Return the metric families of a text.

    Raises:
        ValueError: the text is not in the text format.
    """
    return list(text_string_to_metric_families(text.decode()))


def _labelled(families: Iterable[Metric], service: str, instance: str) -> Iterator[Metric]:
    own = {"service": service, "instance": instance}
    for family in families:
        labelled = Metric(family.name, family.documentation, family.type)
        for sample in family.samples:
            # Samples of another gateway already have these labels; rename them as Prometheus does.
            theirs = {f"exported_{k}" if k in own else k: v for k, v in sample.labels.items()}
            labelled.samples.append(sample._replace(labels=theirs | own))
        yield labelled


def _instance(url: str) -> str:
    """Return host and port of a replica, without credentials in its URL."""
    return urlsplit(url).netloc.rpartition("@")[2]
