"""Narrowing lists of machines and robots."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet

from apps.core.api.filters import ApiFilterSet, TextFilter
from apps.core.api.identifiers import IdFilter
from apps.robots.models import EnrolmentKey, Machine, Robot, RobotQuerySet


class MachineFilters(ApiFilterSet):
    """Machines of a tenant, by part of a name, by a label, or by the enrolment key that made them."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")
    label = django_filters.CharFilter(method="with_label", max_length=63)
    made_by = IdFilter(field_name="made_by_id")

    class Meta(ApiFilterSet.Meta):
        model = Machine
        fields = ["tenant", "name", "label", "made_by"]

    def with_label(self, machines: QuerySet[Machine], name: str, label: str) -> QuerySet[Machine]:
        return machines.filter(labels__contains=[label.lower()])


class EnrolmentKeyFilters(ApiFilterSet):
    """Enrolment keys of a tenant, by part of a name, by a label, or by whether they work."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")
    label = django_filters.CharFilter(method="with_label", max_length=63)
    live = django_filters.BooleanFilter(method="that_work")

    class Meta(ApiFilterSet.Meta):
        model = EnrolmentKey
        fields = ["tenant", "name", "label", "live"]

    def with_label(self, keys: QuerySet[EnrolmentKey], name: str, label: str) -> QuerySet[EnrolmentKey]:
        return keys.filter(labels__contains=[label.lower()])

    def that_work(self, keys: QuerySet[EnrolmentKey], name: str, live: bool) -> QuerySet[EnrolmentKey]:
        return keys.filter(EnrolmentKey.live()) if live else keys.exclude(EnrolmentKey.live())


class RobotFilters(ApiFilterSet):
    """Robots of a tenant, folder or machine, by part of a name, by what they are and report."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")
    machine = IdFilter(field_name="machine_id")
    folder = IdFilter(field_name="robot_folders__folder_id")
    version = django_filters.CharFilter(method="with_version", max_length=40, label="Of its program, such as 1.4.0")
    problem = django_filters.CharFilter(
        method="with_problem", max_length=100, label="The word by which it reports a problem, such as spool_full"
    )
    label = django_filters.CharFilter(method="with_label", max_length=63)

    class Meta(ApiFilterSet.Meta):
        model = Robot
        fields = [
            "tenant", "machine", "folder", "name", "label", "version", "problem", "enabled", "draining", "maintenance",
        ]  # fmt: skip

    def with_label(self, robots: RobotQuerySet, name: str, label: str) -> RobotQuerySet:
        return robots.labelled(label)

    def with_version(self, robots: RobotQuerySet, name: str, version: str) -> RobotQuerySet:
        return robots.telling(agent__version=version)

    def with_problem(self, robots: RobotQuerySet, name: str, problem: str) -> RobotQuerySet:
        return robots.telling(problem=problem)
