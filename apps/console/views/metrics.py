"""Numbers for Prometheus: what the processes counted, and what the database knows."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Final

import psutil
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import Case, CharField, Count, Exists, F, Max, Min, OuterRef, Q, Value, When
from django.db.models.functions import Coalesce, Now
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.console.models import RoleHeartbeat
from apps.console.views import broker
from apps.core import context, ids
from apps.core.api.plain import api_view
from apps.core.api.problems import problem
from apps.core.edge import addresses
from apps.core.edge import metrics as counted
from apps.core.edge.middleware import quiet
from apps.jobs.models import Execution, Job, JobStatus, Plane
from apps.retention.models import Pruning
from apps.robots.models import Robot, RobotSession

ROBOT_STATES: Final = ("offline", "available", "busy", "maintenance", "error", "disabled")


@quiet
@api_view("GET", "HEAD")
def metrics(request: HttpRequest) -> HttpResponse:
    """Return all numbers to who has ``METRICS_TOKEN`` or calls from ``METRICS_ALLOWED_NETWORKS``."""
    if not (has_token(request) or is_from_allowed_network(request)):
        return _refusal()
    known = CollectorRegistry(auto_describe=False)
    known.register(DatabaseCollector())
    known.register(BrokerCollector())
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


class BrokerCollector(Collector):
    """Asks the broker at each scrape; where it does not answer, says that instead."""

    def collect(self) -> Iterator[Metric]:
        try:
            waiting = broker.waiting_tasks()
        except broker.AWAY:
            yield _gauge("bv_broker_up", "Whether the broker answers.", 0)
            return
        yield _gauge("bv_broker_up", "Whether the broker answers.", 1)
        family = GaugeMetricFamily("bv_tasks_waiting", "Tasks that wait for a worker, by queue.", labels=["queue"])
        for queue, count in waiting.items():
            family.add_metric([queue], count)
        yield family


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


def jobs_by_status() -> Iterator[Metric]:
    """Yield how many jobs are in each state. Ended ones count for a day, so that the question stays cheap."""
    family = GaugeMetricFamily(
        "bv_jobs",
        "Jobs by status: all that have not ended, and those of the last 24 hours that have.",
        labels=["status"],
    )
    recent = ids.first_id_at(timezone.now() - timedelta(days=1))
    counted_jobs = Job.objects.filter(Q(pk__gte=recent) | ~Q(status__in=Job.final_states()))
    found = dict(counted_jobs.order_by().values_list("status").annotate(Count("pk")))
    for status in JobStatus.values:
        family.add_metric([status], found.get(status, 0))
    yield family


def oldest_pending() -> Iterator[Metric]:
    """Yield how long the first of the jobs that could run has been waiting."""
    due = Job.objects.filter(status=JobStatus.PENDING, available_at__lte=Now())
    age = due.aggregate(age=Now() - Min("available_at"))["age"]
    seconds = age.total_seconds() if age else 0.0
    yield _gauge("bv_jobs_oldest_pending_seconds", "Time the oldest job that could run has waited.", seconds)


def sweep_lag() -> Iterator[Metric]:
    """Yield how long ago the last sweep of leases ended."""
    age = Plane.objects.aggregate(age=Now() - Max(Coalesce("swept_at", "created_at")))["age"]
    if age is not None:
        yield _gauge("bv_sweep_lag_seconds", "Time since the last sweep of leases ended.", age.total_seconds())


def robots_by_status() -> Iterator[Metric]:
    """Yield how many robots there are in each of the states that their pages show."""
    family = GaugeMetricFamily("bv_robots", "Robots by the status their pages show.", labels=["status"])
    found = dict(
        Robot.objects.alive().order_by().annotate(shown=_shown_status()).values_list("shown").annotate(Count("pk"))
    )
    for status in ROBOT_STATES:
        family.add_metric([status], found.get(status, 0))
    yield family


def _shown_status() -> Case:
    """Return what a robot shows: the gravest of what is true of it."""
    current = RobotSession.objects.filter(robot=OuterRef("pk"), ended_at=None)
    heard = current.filter(last_seen_at__gt=Now() - timedelta(seconds=settings.OFFLINE_AFTER))
    at_work = Execution.objects.open().filter(robot=OuterRef("pk"))
    in_maintenance = Q(maintenance=True) & (Q(maintenance_until=None) | Q(maintenance_until__gt=Now()))
    return Case(
        When(enabled=False, then=Value("disabled")),
        When(~Q(error=""), then=Value("error")),
        When(in_maintenance, then=Value("maintenance")),
        When(~Exists(heard), then=Value("offline")),
        When(Exists(at_work), then=Value("busy")),
        default=Value("available"),
        output_field=CharField(),
    )


def roles_last_seen() -> Iterator[Metric]:
    """Yield how long ago each background role gave a sign of life."""
    family = GaugeMetricFamily("bv_role_silence_seconds", "Time since a role was last seen.", labels=["role"])
    for role, age in RoleHeartbeat.objects.ages().items():
        family.add_metric([role], age.total_seconds())
    yield family


def rows_let_go() -> Iterator[Metric]:
    """Yield how many rows of each kind retention has let go, and how long ago its last run over it was."""
    gone = CounterMetricFamily("bv_pruned_rows", "Rows that were kept no longer, by kind.", labels=["kind"])
    age = GaugeMetricFamily("bv_retention_age_seconds", "Time since retention last looked at a kind.", labels=["kind"])
    for kind, total, ago in Pruning.objects.order_by("kind").values_list("kind", "total", Now() - F("last_run_at")):
        gone.add_metric([kind], total)
        if ago is not None:
            age.add_metric([kind], ago.total_seconds())
    yield from (gone, age)


#: What is read from the database, each at most one query.
MEASURES: Final[tuple[Callable[[], Iterable[Metric]], ...]] = (
    jobs_by_status,
    oldest_pending,
    robots_by_status,
    sweep_lag,
    roles_last_seen,
    rows_let_go,
)


def _gauge(name: str, description: str, value: float) -> Metric:
    return GaugeMetricFamily(name, description, value=value)


def _uptime() -> float:
    return max(0.0, time.time() - psutil.Process().create_time())


def _refusal() -> HttpResponse:
    if settings.METRICS_TOKEN:
        headers = {"WWW-Authenticate": "Bearer"}
        return problem(401, "not_signed_in", "Send METRICS_TOKEN as a bearer token.", headers=headers)
    return problem(403, "not_allowed", "Set METRICS_TOKEN, or add this network to METRICS_ALLOWED_NETWORKS.")
