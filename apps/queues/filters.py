"""Narrowing lists of queues and of items; the latter by indexes only."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet

from apps.core.api.along import AlongChoices, AlongId, AlongText, MomentRangeFilter
from apps.core.api.filters import ApiFilterSet, TextFilter
from apps.core.api.identifiers import IdFilter
from apps.core.errors import Invalid, Problem
from apps.core.files.facts import LONGEST_PATH
from apps.queues.models import (
    ErrorType,
    FileStore,
    ItemBulkChange,
    ItemStatus,
    Queue,
    QueueItem,
    ReviewStatus,
    StoredFile,
)
from apps.queues.models.items import LONGEST_CODE, LONGEST_REFERENCE, LONGEST_TAG

#: Filters of items that only the indexes of one queue serve.
_OF_QUEUE = ("review_status", "error_type", "error_code", "finished", "late")


class QueueFilters(ApiFilterSet):
    """Queues of a tenant or folder, by part of a name, or by whether they are paused."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")
    folder = IdFilter(field_name="folder_id")

    class Meta(ApiFilterSet.Meta):
        model = Queue
        fields = ["tenant", "folder", "name", "paused"]


class FileStoreFilters(ApiFilterSet):
    """File stores of a tenant or folder, or by part of a name."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")
    folder = IdFilter(field_name="folder_id")

    class Meta(ApiFilterSet.Meta):
        model = FileStore
        fields = ["tenant", "folder", "name"]


class StoredFileFilters(ApiFilterSet):
    """Files of a store by how their paths begin."""

    prefix = TextFilter(
        field_name="path", lookup_expr="startswith", max_length=LONGEST_PATH, help_text="How the paths begin."
    )

    class Meta(ApiFilterSet.Meta):
        model = StoredFile
        fields = ["prefix"]


class ItemFilters(ApiFilterSet):
    """Items by queue, state and reference, by the tries and the job they belong to, by tag and by when they came.

    Within a queue also by how they failed, by what people think of them, and by when they ended.
    """

    status = AlongChoices(choices=ItemStatus.choices)
    reference = AlongText(max_length=LONGEST_REFERENCE, help_text="The whole of it. Name the queue as well.")
    tenant = AlongId(field_name="tenant_id")
    folder = AlongId(field_name="folder_id")
    queue = AlongId(field_name="queue_id")
    lineage = AlongId(field_name="lineage")
    job = AlongId(field_name="job_id")
    retry_of = IdFilter(field_name="retry_of_id")
    tag = django_filters.CharFilter(method="tagged", max_length=LONGEST_TAG)
    created = MomentRangeFilter(field_name="created_at")
    review_status = AlongChoices(choices=ReviewStatus.choices, help_text="Name the queue as well.")
    error_type = AlongChoices(choices=ErrorType.choices, help_text="Name the queue as well.")
    error_code = AlongText(max_length=LONGEST_CODE, help_text="The whole of it. Name the queue as well.")
    finished = django_filters.IsoDateTimeFromToRangeFilter(
        field_name="finished_at", help_text="Name the queue as well."
    )
    late = django_filters.BooleanFilter(
        method="past_promise", help_text="True: unfinished after the queue's `sla`. Name the queue as well."
    )

    class Meta(ApiFilterSet.Meta):
        model = QueueItem
        fields = [
            "tenant", "folder", "queue", "status", "reference", "lineage", "job", "retry_of", "tag", "created",
            "review_status", "error_type", "error_code", "finished", "late",
        ]  # fmt: skip

    def filter_queryset(self, queryset: QuerySet[QueueItem]) -> QuerySet[QueueItem]:
        """Narrow the items. Raises ``Invalid`` where a filter would read those of every queue."""
        given = self.form.cleaned_data
        if given["queue"] is None and any(given[name] for name in _OF_QUEUE):
            names = [name for name in _OF_QUEUE if given[name]]
            told = f"name the queue as well to filter by {', '.join(names)}."
            raise Invalid(f"queue: {told}", problems=[Problem("queue", told, "required")])
        narrowed: QuerySet[QueueItem] = super().filter_queryset(queryset)
        return narrowed

    def past_promise(self, items: QuerySet[QueueItem], name: str, value: bool) -> QuerySet[QueueItem]:
        late = QueueItem.objects.late()
        return items.filter(pk__in=late.values("pk")) if value else items.exclude(pk__in=late.values("pk"))

    def tagged(self, items: QuerySet[QueueItem], name: str, tag: str) -> QuerySet[QueueItem]:
        return items.filter(tags__contains=[tag])


class ItemBulkChangeFilters(ApiFilterSet):
    """Bulk changes of items by state and by what they do."""

    tenant = IdFilter(field_name="tenant_id")

    class Meta(ApiFilterSet.Meta):
        model = ItemBulkChange
        fields = ["tenant", "status", "action"]
