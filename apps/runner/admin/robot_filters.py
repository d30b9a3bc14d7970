"""Filters of the list of robots. What they offer tells nobody of robots they may not see."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Func, QuerySet
from django.db.models.fields.json import KT
from django.http import HttpRequest

from apps.core.admin.base import SimpleListFilter
from apps.core.admin.filters import MOST_CHOICES
from apps.core.api.callers import actor_of
from apps.jobs.models.robots import RobotStatus
from apps.robots import rules
from apps.robots.models import Machine, Robot, RobotSession


class StatusFilter(SimpleListFilter):
    """Narrows by what a robot shows."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(one.value, str(one.label).capitalize()) for one in RobotStatus]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status=self.value()) if self.value() in RobotStatus.values else queryset


class ProblemFilter(SimpleListFilter):
    """Narrows by what robots report of themselves."""

    title = "problem"
    parameter_name = "problem"
    any_problem = "any"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        words = [one for one in rules.PROBLEMS if " " not in one]
        return [(self.any_problem, "Any"), *((one, one.replace("_", " ").capitalize()) for one in words)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.value():
            return queryset
        asked = {"problem__gt": ""} if self.value() == self.any_problem else {"problem": self.value()}
        return queryset.telling(**asked)


class VersionFilter(SimpleListFilter):
    """Narrows by the version of the robots' program."""

    title = "version"
    parameter_name = "version"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        robots = Robot.objects.visible_to(actor_of(request)).alive()
        sessions = RobotSession.objects.filter(ended_at=None, robot__in=robots.order_by().values("pk"))
        told = sessions.annotate(told=KT("agent__version")).filter(told__gt="")
        return [(one, one) for one in told.order_by("-told").values_list("told", flat=True).distinct()[:MOST_CHOICES]]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.telling(agent__version=self.value()) if self.value() else queryset


class LabelFilter(SimpleListFilter):
    """Narrows by a label that robots have of their own or through their machine."""

    title = "label"
    parameter_name = "label"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        robots = Robot.objects.visible_to(actor_of(request)).alive().order_by()
        of_machines = _labels(Machine.objects.filter(pk__in=robots.values("machine")).order_by())
        return [(one, one) for one in sorted(_labels(robots) | of_machines)[:MOST_CHOICES]]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.labelled(self.value()) if self.value() else queryset


def _labels(rows: QuerySet[Any]) -> set[str]:
    """Return every label of some rows, by one query."""
    each = rows.annotate(label=Func(F("labels"), function="unnest", set_returning=True))
    return set(each.values_list("label", flat=True).distinct()[:MOST_CHOICES])
