"""Add the metrics of all services to the gateway's ``/metrics``.

Prometheus may reach only the gateway. At each scrape the gateway queries every replica and adds the
labels ``service`` and ``instance`` to its samples.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from shared.core.errors import UpstreamUnavailable
from shared.core.metrics import UPSTREAM_METRICS_UP
from shared.http.client.pool import UpstreamPool

log = logging.getLogger(__name__)

WITHIN_S = 1.0
"""Timeout of one replica, seconds; scrapers give up after 10 s."""
MOST_BYTES = 1 << 20
"""Maximum size of one replica's metrics, bytes; they usually take some 100 KB."""
FRESH_S = 1.0
"""How long an answer is cached, seconds. /metrics needs no token, and each query reaches every
replica.
"""
_AT_ONCE = 64


class UpstreamMetrics:
    """A collector that merges the gateway's metrics with those of all replicas of ``pools``."""

    def __init__(self, pools: Mapping[str, UpstreamPool]) -> None:
        self._pools = pools
        self._lock = threading.Lock()
        self._answer = b""
        self._made_at = -FRESH_S

    def add_to(self, own: bytes) -> bytes:
        """Return ``own`` and the replicas' metrics in the text format, each family once.

        A replica without a valid answer is omitted, and its ``voice_upstream_metrics_up`` is 0.
        """
        with self._lock:
            if time.monotonic() - self._made_at >= FRESH_S:
                self._answer = self._merged(own)
                self._made_at = time.monotonic()
            return self._answer

    def _merged(self, own: bytes) -> bytes:
        with ThreadPoolExecutor(_AT_ONCE) as executor:
            # Resolve the names concurrently: the name of a service that is not running may take
            # seconds.
            urls = executor.map(UpstreamPool.addresses, self._pools.values())
            by_service = zip(self._pools, urls, strict=True)
            replicas = [(service, url) for service, its in by_service for url in its]
            found = list(executor.map(lambda replica: self._of_replica(*replica), replicas))
        families = _Families()
        families.add(_parsed(own))
        UPSTREAM_METRICS_UP.clear()
        for (service, url), theirs in zip(replicas, found, strict=True):
            instance = _instance(url)
            up = UPSTREAM_METRICS_UP.labels(service=service, instance=instance)
            up.set(theirs is not None)
            families.add(_labelled(theirs or (), service, instance))
        families.add(UPSTREAM_METRICS_UP.collect())
        return generate_latest(families)

    def _of_replica(self, service: str, url: str) -> list[Metric] | None:
        """Return a replica's metrics; None if it does not respond with the text format."""
        try:
            text = self._pools[service].read_from(
                url, "/metrics", within_s=WITHIN_S, most_bytes=MOST_BYTES
            )
            return _parsed(text)
        except UpstreamUnavailable as error:
            reason = error.message
        except ValueError:
            reason = "not in the text format"
        log.warning(
            "no metrics", extra={"upstream": service, "replica": _instance(url), "reason": reason}
        )
        return None


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
