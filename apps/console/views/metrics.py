"""Numbers for Prometheus: what the processes counted, and what the database knows."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import psutil
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.console.models import RoleHeartbeat
from apps.core import context
from apps.core.api.plain import api_view
from apps.core.api.problems import problem
from apps.core.edge import addresses
from apps.core.edge import metrics as counted
from apps.core.edge.middleware import quiet


@quiet
@api_view("GET", "HEAD")
def metrics(request: HttpRequest) -> HttpResponse:
    """Return all numbers to who has ``METRICS_TOKEN`` or calls from ``METRICS_ALLOWED_NETWORKS``."""
    if not (has_token(request) or is_from_allowed_network(request)):
        return _refusal()
    known = CollectorRegistry(auto_describe=False)
    known.register(DatabaseCollector())
    text = counted.exposition(settings.METRICS_DIR) + generate_latest(known)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def has_token(request: HttpRequest) -> bool:
    """Say whether the request carries the token, if there is one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    wanted = settings.METRICS_TOKEN
    return bool(wanted) and scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), wanted.encode())


def is_from_allowed_network(request: HttpRequest) -> bool:
    """Say whether the caller's own address is allowed.

    A proxy we do not know hides who calls: its own address, often this very machine's, must not stand for theirs.
    """
    peer = addresses.parse_address(request.META.get("REMOTE_ADDR", ""))
    is_forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    if is_forwarded and not addresses.is_within(peer, settings.TRUSTED_PROXIES):
        return False
    caller = addresses.parse_address(context.current().address or "")
    return addresses.is_within(caller, settings.METRICS_ALLOWED_NETWORKS)


class DatabaseCollector(Collector):
    """Asks the database at each scrape; where it does not answer, says that instead."""

    def collect(self) -> Iterator[Metric]:
        yield _gauge("bv_uptime_seconds", "Time since this web process started.", _uptime())
        try:
            found = [metric for measure in MEASURES for metric in measure()]
        except (OperationalError, InterfaceError):
            found = []
            yield _gauge("bv_database_up", "Whether the database answers.", 0)
        else:
            yield _gauge("bv_database_up", "Whether the database answers.", 1)
        yield from found


def roles_last_seen() -> Iterator[Metric]:
    """Yield how long ago each background role gave a sign of life."""
    family = GaugeMetricFamily("bv_role_silence_seconds", "Time since a role was last seen.", labels=["role"])
    for role, age in RoleHeartbeat.objects.ages().items():
        family.add_metric([role], age.total_seconds())
    yield family


#: What is read from the database, each at most one query.
MEASURES: Final[tuple[Callable[[], Iterable[Metric]], ...]] = (roles_last_seen,)


def _gauge(name: str, description: str, value: float) -> Metric:
    return GaugeMetricFamily(name, description, value=value)


def _uptime() -> float:
    return max(0.0, time.time() - psutil.Process().create_time())


def _refusal() -> HttpResponse:
    if settings.METRICS_TOKEN:
        headers = {"WWW-Authenticate": "Bearer"}
        return problem(401, "not_signed_in", "Send METRICS_TOKEN as a bearer token.", headers=headers)
    return problem(403, "not_allowed", "Set METRICS_TOKEN, or add this network to METRICS_ALLOWED_NETWORKS.")
