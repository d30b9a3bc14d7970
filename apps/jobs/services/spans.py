"""Storing the steps that jobs trace."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from apps.core import masking
from apps.core.actors import Actor
from apps.jobs.models import Execution, Span
from apps.jobs.rules import traces
from apps.rbac import services as rbac

_BATCH = 500


@transaction.atomic
def record_spans(execution: Execution, *, actor: Actor, spans: Sequence[traces.Traced]) -> int:
    """Store steps of an execution, as many as there is room for, and return how many those were.

    The same step again is stored again; readers take the latest. Our own tokens are masked.
    """
    rbac.require(actor, "jobs.report_execution", execution)
    # Held until the end: two calls at once are counted one after the other, and stored in that order.
    execution = Execution.objects.select_for_update(of=("self",), no_key=True).get(pk=execution.pk)
    rows = [_row(execution, span) for span in spans[: Span.room_of(execution.pk)]]
    Span.objects.bulk_create(rows, batch_size=_BATCH)
    return len(rows)


def _row(execution: Execution, span: traces.Traced) -> Span:
    return Span(
        tenant_id=execution.tenant_id,
        execution_id=execution.pk,
        span_id=masking.mask_tokens_in_text(span.span_id),
        parent_span_id=masking.mask_tokens_in_text(span.parent_span_id),
        name=masking.mask_tokens_in_text(span.name),
        status=span.status,
        started_at=span.started_at,
        ended_at=span.ended_at,
        duration_ms=span.duration_ms,
        input=traces.kept(span.input),
        output=traces.kept(span.output),
        tags=traces.kept(span.tags),
        metadata=traces.kept(span.metadata),
    )
