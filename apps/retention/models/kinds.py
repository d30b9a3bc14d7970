"""The kinds of rows that go by their age: which tables they fill, and which setting says how long they stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import Model

from apps.audit.models import AuditEntry
from apps.configuration.models import Setting
from apps.core.keeping import Keeping
from apps.core.streams import Stream
from apps.events.models import Event
from apps.jobs.models import Artefact, BulkChange, Execution, Job, JobToken, LateResult, LogChunk, Span
from apps.jobs.models.forgetting import old_artefacts, old_bulk_changes, old_jobs
from apps.queues.models import ItemBulkChange, ItemFile, ItemLease, QueueItem
from apps.queues.models.forgetting import old_item_changes, old_items
from apps.retention.models.bins import BIN, KEY, due_in_bin
from apps.triggers.models import Firing
from apps.triggers.models.forgetting import old_firings

GROUP: Final = "retention"
ENABLED: Final = "retention_enabled"

#: Returns which rows are due, by the settings in force, up to a number.
Due = Callable[[Mapping[str, Any], int], list[UUID]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Rows that are kept equally long and go together. ``key`` is the setting, ``tables[0]`` what is counted.

    A stream goes by whole partitions; of the rest ``due`` finds what is to go.
    """

    name: str
    title: str
    says: str
    key: str
    tables: tuple[type[Model], ...]
    stream: type[Stream] | None = None
    due: Due | None = None
    #: Only what is deleted of its tables is meant.
    is_bin: bool = False


def keeping_of(values: Mapping[str, Any], key: str) -> Keeping:
    """Return for how long a kind is kept: ``values`` are those of the installation."""
    return Keeping(values[key], Setting.objects.by_tenant(GROUP, key))


def _stream(name: str, title: str, says: str, key: str, model: type[Stream]) -> Kind:
    return Kind(name=name, title=title, says=says, key=key, tables=(model,), stream=model)


def _firings(values: Mapping[str, Any], limit: int) -> list[UUID]:
    return old_firings(keeping_of(values, "firings_retention_days"), keeping_of(values, "jobs_retention_days"), limit)


def _by(find: Callable[[Keeping, int], list[UUID]], key: str) -> Due:
    return lambda values, limit: find(keeping_of(values, key), limit)


_ALL: Final = (
    _stream("logs", "Logs of jobs", "whole days", "job_logs_retention_days", LogChunk),
    _stream("spans", "Steps that jobs traced", "whole days", "spans_retention_days", Span),
    _stream("late_results", "Late results", "whole months", "late_results_retention_days", LateResult),
    _stream("events", "Events", "whole months", "events_retention_days", Event),
    _stream("audit", "Audit trail", "whole months; the seals stay", "audit_logs_retention_days", AuditEntry),
    Kind(
        name="artefacts",
        title="Files that jobs left",
        says="after their job's end",
        key="artefacts_retention_days",
        tables=(Artefact,),
        due=_by(old_artefacts, "artefacts_retention_days"),
    ),
    Kind(
        name="jobs",
        title="Jobs and their executions",
        says="counted from their end",
        key="jobs_retention_days",
        tables=(Job, Execution, JobToken),
        due=_by(old_jobs, "jobs_retention_days"),
    ),
    Kind(
        name="firings",
        title="Firings of triggers",
        says="after their jobs",
        key="firings_retention_days",
        tables=(Firing,),
        due=_firings,
    ),
    Kind(
        name="queue_items",
        title="Items of queues and their leases",
        says="counted from the end of the last try",
        key="queue_items_retention_days",
        tables=(QueueItem, ItemLease, ItemFile),
        due=_by(old_items, "queue_items_retention_days"),
    ),
    Kind(
        name="bulk_changes",
        title="Bulk changes of jobs",
        says="as jobs",
        key="jobs_retention_days",
        tables=(BulkChange,),
        due=_by(old_bulk_changes, "jobs_retention_days"),
    ),
    Kind(
        name="item_changes",
        title="Bulk changes of items",
        says="as items",
        key="queue_items_retention_days",
        tables=(ItemBulkChange,),
        due=_by(old_item_changes, "queue_items_retention_days"),
    ),
    Kind(
        name="bin",
        title="What lies in the bin",
        says="counted from its deletion; its name stays while history tells of it",
        key=KEY,
        tables=tuple(kind.model for kind in BIN.values()),
        due=due_in_bin,
        is_bin=True,
    ),
)
#: In the order in which a run takes them: what frees most at the least cost comes first.
KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in _ALL}
