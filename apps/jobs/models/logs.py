"""What executions wrote, in the pieces in which it arrived."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import models

from apps.core import ids
from apps.core.streams import Period, Stream

#: Ids carry the clock of the process that made them, and those differ a little.
CLOCKS_DIFFER = timedelta(hours=1)


class LogStream(models.TextChoices):
    ROBOT = "robot"  # by byte offset, verified
    API = "api"  # appended line by line by programs


class LogChunk(Stream):
    """A run of whole or broken lines (UTF-8 NDJSON) of one execution, at a byte offset of its stream."""

    PARTITION_BY = Period.DAY
    APPEND_ONLY = False  # a secret found across a border rewrites the end of the piece before

    tenant_id = models.UUIDField()
    execution_id = models.UUIDField()
    stream = models.CharField(max_length=8, choices=LogStream)
    offset = models.BigIntegerField()
    size = models.IntegerField()
    lines = models.IntegerField(help_text="Line feeds in it.")
    first_error = models.IntegerField(null=True, help_text="Where in it the first error line begins.")
    data = models.BinaryField()

    class Meta:
        indexes = [models.Index(fields=["execution_id", "stream", "offset"], name="logchunk_by_offset")]

    @classmethod
    def of(cls, execution_id: UUID, stream: str) -> models.QuerySet[LogChunk]:
        """Return the pieces of one stream, without looking into partitions from before the execution."""
        oldest = ids.first_id_at(ids.made_at(execution_id) - CLOCKS_DIFFER)
        return cls.objects.filter(execution_id=execution_id, stream=stream, id__gte=oldest)

    @classmethod
    def read(cls, execution_id: UUID, stream: str, offset: int, length: int) -> bytes:
        """Return up to ``length`` bytes of a stream from ``offset`` on; nothing where those are kept no longer."""
        begins, data = cls.read_kept(execution_id, stream, offset, length)
        return data if begins == offset else b""

    @classmethod
    def read_kept(cls, execution_id: UUID, stream: str, offset: int, length: int) -> tuple[int, bytes]:
        """Return up to ``length`` bytes from ``offset`` on, touching only the pieces they are in, and where they begin.

        That is further on where the pieces before have gone with their day.
        """
        stored = cls.of(execution_id, stream)
        before = stored.filter(offset__lte=offset).order_by("-offset").values_list("offset", flat=True)
        first = before.first()
        if first is None:
            first = stored.order_by("offset").values_list("offset", flat=True).first()
            offset = max(offset, first or 0)
        pieces = stored.filter(offset__gte=first or 0, offset__lt=offset + length).order_by("offset")
        data = b"".join(bytes(piece) for piece in pieces.values_list("data", flat=True))
        start = offset - (first or 0)
        return offset, data[start : start + length]

    def __str__(self) -> str:
        return f"{self.stream} log of {self.execution_id} at {self.offset}"
