"""No row names a row of another tenant: generated from the models, so that a new key is never forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import models

from apps.jobs.rules.invariants.invariant import Invariant

#: Streams name their rows by plain ids; these must lie in the tenant that the stream's row says.
_BY_PLAIN_ID = (
    ("jobs_lateresult", "job_id", "jobs_job"),
    ("jobs_lateresult", "execution_id", "jobs_execution"),
    ("jobs_lateresult", "robot_id", "robots_robot"),
    ("jobs_logchunk", "execution_id", "jobs_execution"),
    ("queues_itemlease", "execution_id", "jobs_execution"),
    ("queues_queueitem", "reserved_for", "jobs_job"),
)


def within_tenants() -> Invariant:
    """Return the invariant over every key of every model of ours."""
    parts = [_crossing(table, column, target) for table, column, target in (*_keys(), *_BY_PLAIN_ID)]
    return Invariant("I20", "No row names a row of another tenant.", " UNION ALL ".join(parts))


def _keys() -> Iterator[tuple[str, str, str]]:
    """Yield table, column and target of each foreign key whose both ends say which tenant they are of."""
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.local_fields:
            if isinstance(field, models.ForeignKey) and _has_tenant(model) and _has_tenant(field.related_model):
                yield model._meta.db_table, field.column, field.related_model._meta.db_table


def _has_tenant(model: type[models.Model]) -> bool:
    return any(field.column == "tenant_id" for field in model._meta.local_fields)


def _crossing(table: str, column: str, target: str) -> str:
    return (
        f"SELECT r.id, '{table}.{column} leads to another tenant' FROM {table} r JOIN {target} t ON t.id = r.{column} "
        "WHERE r.tenant_id <> t.tenant_id"
    )
