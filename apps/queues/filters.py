"""Narrowing lists of queues and of items; the latter by indexes only."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet

from apps.core.api.along import AlongChoices, AlongId, AlongText, MomentRangeFilter
from apps.core.api.filters import ApiFilterSet, TextFilter
from apps.core.api.identifiers import IdFilter
from apps.queues.models import ItemStatus, Queue, QueueItem
from apps.queues.models.items import LONGEST_REFERENCE, LONGEST_TAG


class QueueFilters(ApiFilterSet):
    """Queues of a tenant or folder, by part of a name, or by whether they are paused."""

    name = TextFilter()
    tenant = IdFilter(field_name="tenant_id")
    folder = IdFilter(field_name="folder_id")

    class Meta(ApiFilterSet.Meta):
        model = Queue
        fields = ["tenant", "folder", "name", "paused"]


class ItemFilters(ApiFilterSet):
    """Items by queue, state and reference, by the tries and the job they belong to, by tag and by when they came."""

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

    class Meta(ApiFilterSet.Meta):
        model = QueueItem
        fields = ["tenant", "folder", "queue", "status", "reference", "lineage", "job", "retry_of", "tag", "created"]

    def tagged(self, items: QuerySet[QueueItem], name: str, tag: str) -> QuerySet[QueueItem]:
        return items.filter(tags__contains=[tag])
