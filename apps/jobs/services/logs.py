"""Storing what executions write."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from django.conf import settings
from django.db import transaction

from apps.core import masking
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.jobs.models import Execution, LogChunk, LogStream
from apps.jobs.rules import loglines
from apps.rbac import services as rbac

_STAR = ord("*")


class LogGap(Conflict):
    """Bytes are missing before these; ``offset`` in the answer says from where to send."""

    code = "log_gap"


class LogDiffers(Conflict):
    """Bytes that were sent before came again with another content."""

    code = "log_differs"


@transaction.atomic
def append_log(execution: Execution, *, actor: Actor, offset: int, data: bytes, crc32: int) -> Execution:
    """Store a piece of a robot's log at its byte offset; the same again changes nothing.

    Our own tokens are masked, also across the border to the piece before. Beyond the limit the log is marked as
    truncated and the rest dropped. Raises ``LogGap``, ``LogDiffers``, ``Invalid`` for a wrong checksum.
    """
    rbac.require(actor, "jobs.report_execution", execution)
    if zlib.crc32(data) != crc32:
        raise Invalid("The checksum does not match the bytes.", code="bad_crc")
    execution = Execution.objects.select_for_update(of=("self",), no_key=True).get(pk=execution.pk)
    if offset > execution.log_length:
        raise LogGap(f"The log is known up to byte {execution.log_length}.", offset=execution.log_length)
    known = execution.log_length - offset
    _refuse_difference(execution, offset, data[:known])
    room = max(0, settings.LOG_LIMIT_BYTES - execution.log_length)
    fresh, rest = data[known : known + room], data[known + room :]
    if fresh:
        _store(execution, fresh)
    if rest and not execution.log_truncated:
        execution.log_truncated = True
        execution.save(update_fields=["log_truncated"])
    return execution


@transaction.atomic
def append_lines(execution: Execution, *, actor: Actor, lines: Sequence[bytes]) -> Execution:
    """Append whole lines that a program sent by itself, beside the robot's own stream."""
    rbac.require(actor, "jobs.report_execution", execution)
    execution = Execution.objects.select_for_update(of=("self",), no_key=True).get(pk=execution.pk)
    data = masking.mask_tokens(b"".join(lines))
    if not data or execution.log_api_length + len(data) > settings.LOG_LIMIT_BYTES:
        return execution
    _insert(execution, LogStream.API, execution.log_api_length, data)
    execution.log_api_length += len(data)
    execution.save(update_fields=["log_api_length"])
    return execution


def _store(execution: Execution, fresh: bytes) -> None:
    """Put new bytes at the end; integrity is kept over the bytes as sent, what is stored is masked."""
    masked = _mask_across_border(execution, fresh)
    chunk = _insert(execution, LogStream.ROBOT, execution.log_length, masked)
    if chunk.first_error is not None and execution.log_first_error is None:
        execution.log_first_error = execution.log_length + chunk.first_error
    execution.log_crc32 = zlib.crc32(fresh, execution.log_crc32)
    execution.log_length += len(fresh)
    execution.log_lines += chunk.lines
    execution.save(update_fields=["log_first_error", "log_crc32", "log_length", "log_lines"])


def _insert(execution: Execution, stream: LogStream, offset: int, data: bytes) -> LogChunk:
    return LogChunk.objects.create(
        tenant_id=execution.tenant_id,
        execution_id=execution.pk,
        stream=stream,
        offset=offset,
        size=len(data),
        lines=data.count(b"\n"),
        first_error=loglines.first_error(data),
        data=data,
    )


def _mask_across_border(execution: Execution, fresh: bytes) -> bytes:
    """Mask tokens in ``fresh`` and any that began in the stored piece before it, whose end is then rewritten."""
    before = LogChunk.of(execution.pk, LogStream.ROBOT).order_by("offset").last()
    if before is None:
        return masking.mask_tokens(fresh)
    stored = bytes(before.data)
    tail = stored[-(masking.LONGEST_TOKEN - 1) :]
    masked = masking.mask_tokens(tail + fresh)
    if masked[: len(tail)] != tail:
        before.data = stored[: len(stored) - len(tail)] + masked[: len(tail)]
        before.save(update_fields=["data"])
    return masked[len(tail) :]


def _refuse_difference(execution: Execution, offset: int, again: bytes) -> None:
    """Bytes sent twice must be equal; where we masked, nothing can be compared."""
    if not again:
        return
    stored = LogChunk.read(execution.pk, LogStream.ROBOT, offset, len(again))
    if stored != again and any(kept not in (sent, _STAR) for kept, sent in zip(stored, again, strict=True)):
        raise LogDiffers("These bytes were sent before with another content.", offset=execution.log_length)
