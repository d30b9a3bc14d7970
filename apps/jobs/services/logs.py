"""Storing what executions write."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from apps.configuration.models import Setting
from apps.core import masking
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, TooLarge
from apps.jobs.models import WATCHED_FOR, Execution, LogChunk, LogStream
from apps.jobs.rules import loglines
from apps.rbac import services as rbac
from apps.robots import services as robots

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
    if execution.log_truncated and offset >= execution.log_length:
        return execution  # Nothing more is stored, so nothing is missing before it either.
    if offset > execution.log_length:
        raise LogGap(f"The log is known up to byte {execution.log_length}.", offset=execution.log_length)
    known = execution.log_length - offset
    _refuse_difference(execution, offset, data[:known])
    room = max(0, Setting.objects.lately("logging")["job_log_limit"] - execution.log_length)
    fresh, rest = data[known : known + room], data[known + room :]
    if fresh:
        _store(execution, fresh)
    if rest and not execution.log_truncated:
        execution.log_truncated = True
        execution.save(update_fields=["log_truncated"])
    return execution


@transaction.atomic
def append_lines(execution: Execution, *, actor: Actor, lines: Sequence[bytes]) -> Execution:
    """Append whole lines that a program sent by itself, beside the robot's own stream. Raises ``TooLarge``."""
    rbac.require(actor, "jobs.report_execution", execution)
    execution = Execution.objects.select_for_update(of=("self",), no_key=True).get(pk=execution.pk)
    kept = Setting.objects.lately("logging")
    data = _masked(b"".join(loglines.cut(line, kept["line_limit"]) for line in lines))
    if not data:
        return execution
    if execution.log_api_length + len(data) > kept["job_log_limit"]:
        raise TooLarge("This log is full; nothing more is stored.", limit=kept["job_log_limit"])
    chunk = _insert(execution, LogStream.API, execution.log_api_length, data)
    if chunk.first_error is not None and execution.log_api_first_error is None:
        execution.log_api_first_error = execution.log_api_length + chunk.first_error
    execution.log_api_length += len(data)
    execution.save(update_fields=["log_api_first_error", "log_api_length"])
    return execution


@transaction.atomic
def watch_log(execution: Execution, *, actor: Actor) -> None:
    """Note that somebody reads the log of an execution as it comes; its robot sends it faster, and learns so at once.

    Whoever may read the log may call this, each time they look while ``execution.is_watch_due``.
    """
    rbac.require(actor, "jobs.view_job", execution.job)
    is_new = execution.watched_until is None or execution.watched_until < timezone.now()
    noted = Execution.objects.open().filter(pk=execution.pk).update(watched_until=Now() + WATCHED_FOR)
    if noted and is_new:
        robots.call_robot(execution.robot_id)


def _store(execution: Execution, fresh: bytes) -> None:
    """Put new bytes at the end; integrity is kept over the bytes as sent, what is stored is masked."""
    masked = loglines.blank(_mask_across_border(execution, fresh), Setting.objects.lately("logging")["line_limit"])
    chunk = _insert(execution, LogStream.ROBOT, execution.log_length, masked)
    if chunk.first_error is not None and execution.log_first_error is None:
        execution.log_first_error = execution.log_length + chunk.first_error
    execution.log_crc32 = zlib.crc32(fresh, execution.log_crc32)
    execution.log_length += len(fresh)
    execution.log_lines += chunk.lines
    execution.save(update_fields=["log_first_error", "log_crc32", "log_length", "log_lines"])


def _masked(data: bytes) -> bytes:
    """Mask our own tokens, and what the settings want hidden; the length stays."""
    return masking.mask_patterns(masking.mask_tokens(data), Setting.objects.lately("logging")["mask_patterns"])


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
    """Mask tokens in ``fresh``, and any that began in what is stored before it, whose end is then rewritten."""
    border = execution.log_length
    if not border:
        return _masked(fresh)
    patterns = Setting.objects.lately("logging")["mask_patterns"]
    reach = min(border, masking.longest(patterns) - 1)
    tail = LogChunk.read(execution.pk, LogStream.ROBOT, border - reach, reach)
    masked = _masked(masking.mask_rest(tail, fresh) if patterns else tail + fresh)
    if masked[: len(tail)] != tail:
        _write_over(execution, border - len(tail), masked[: len(tail)])
    return masked[len(tail) :]


def _write_over(execution: Execution, offset: int, data: bytes) -> None:
    """Put ``data`` in place of what is stored from ``offset`` on; it may lie in several small pieces."""
    pieces = LogChunk.of(execution.pk, LogStream.ROBOT).filter(offset__lt=offset + len(data))
    for piece in pieces.filter(offset__gt=offset - F("size")):
        stored, begins = bytes(piece.data), offset - piece.offset
        kept, put = stored[: max(0, begins)], data[max(0, -begins) :]
        piece.data = kept + put[: piece.size - len(kept)]
        piece.save(update_fields=["data"])


def _refuse_difference(execution: Execution, offset: int, again: bytes) -> None:
    """Bytes sent twice must be equal; where we masked, nothing can be compared."""
    if not again:
        return
    stored = LogChunk.read(execution.pk, LogStream.ROBOT, offset, len(again))
    if stored != again and any(kept not in (sent, _STAR) for kept, sent in zip(stored, again, strict=False)):
        raise LogDiffers("These bytes were sent before with another content.", offset=execution.log_length)
