"""Robots as their work shows them: the status people see is derived from flags, last contact and open executions."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Case, Count, Exists, OuterRef, Prefetch, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, JSONObject, Now

from apps.core.actors import Actor
from apps.jobs.models.executions import Execution
from apps.robots import rules
from apps.robots.models import Robot, RobotSession, RobotToken


class RobotStatus(models.TextChoices):
    """What a robot shows. Never stored."""

    OFFLINE = "offline"
    AVAILABLE = "available"
    BUSY = "busy"
    MAINTENANCE = "maintenance"
    ERROR = "error"
    DISABLED = "disabled"


def with_status(robots: QuerySet[Robot]) -> QuerySet[Robot]:
    """Add ``status``, ``status_reason``, ``slots_used``, ``last_seen_at``, ``session`` and more within the one query.

    ``session`` is a dict of the current session, or ``None``. ``token_expires_at`` is of the robot's own newest token.
    What an operator decided goes before what is seen: a disabled robot is *disabled*, wherever it is. A robot that
    says it cannot work (``problem``) shows *error* like one that was put aside, but where somebody asked for it there.
    """
    sessions = RobotSession.objects.filter(robot=OuterRef("pk"))
    current = sessions.filter(ended_at=None)
    heard = current.filter(last_seen_at__gt=Now() - timedelta(seconds=settings.OFFLINE_AFTER))
    complaint = heard.filter(accepting=False).exclude(problem="").values("problem")[:1]
    used = Execution.objects.open().order_by().filter(robot=OuterRef("pk")).values("robot")
    own_tokens = RobotToken.objects.filter(RobotToken.live(), robot=OuterRef("pk"), is_derived=False)
    facts = JSONObject(
        id="id",
        opened_at="created_at",
        agent="agent",
        metrics="metrics",
        accepting="accepting",
        problem="problem",
        capabilities="capabilities",
        is_classic="is_classic",
    )
    return robots.annotate(
        slots_used=Coalesce(Subquery(used.annotate(count=Count("pk")).values("count")), 0),
        session=Subquery(current.values(facts=facts)[:1]),
        last_seen_at=Subquery(sessions.order_by("-id").values("last_seen_at")[:1]),
        complaint=Coalesce(Subquery(complaint), Value("")),
        is_online=Exists(heard),
        token_expires_at=Subquery(own_tokens.order_by("-expires_at").values("expires_at")[:1]),
    ).annotate(status=_status(), status_reason=_reason())


def with_open_executions(robots: QuerySet[Robot], actor: Actor) -> QuerySet[Robot]:
    """Read with robots what they run now, as far as the actor may see it, into ``open_executions``."""
    seen = Execution.objects.open().visible_to(actor).select_related("job__process").order_by("granted_at")
    return robots.prefetch_related(Prefetch("executions", queryset=seen, to_attr="open_executions"))


def _in_maintenance() -> Q:
    return Q(maintenance=True) & (Q(maintenance_until=None) | Q(maintenance_until__gt=Now()))


def _status() -> Case:
    return Case(
        When(enabled=False, then=Value(RobotStatus.DISABLED)),
        When(~Q(error="") | ~Q(complaint__in=["", *rules.ORDERED]), then=Value(RobotStatus.ERROR)),
        When(_in_maintenance() | Q(complaint__in=rules.ORDERED), then=Value(RobotStatus.MAINTENANCE)),
        When(is_online=False, then=Value(RobotStatus.OFFLINE)),
        When(slots_used__gt=0, then=Value(RobotStatus.BUSY)),
        default=Value(RobotStatus.AVAILABLE),
        output_field=models.CharField(),
    )


def _reason() -> Case:
    return Case(
        When(enabled=False, then=Value("")),
        When(~Q(error=""), then="error"),
        When(~Q(complaint__in=["", *rules.ORDERED]), then="complaint"),
        When(_in_maintenance(), then="maintenance_reason"),
        When(~Q(complaint=""), then="complaint"),
        default=Value(""),
        output_field=models.CharField(),
    )
