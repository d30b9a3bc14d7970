"""What is asked of items, and everything that may be wrong with it, found before anything is written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from jsonschema import Draft202012Validator

from apps.core.errors import Problem
from apps.queues.models import Queue
from apps.queues.models.queues import HIGHEST_PRIORITY, LOWEST_PRIORITY

LONGEST_REFERENCE = 200
LARGEST_PAYLOAD = 1024 * 1024
"""Bytes of a payload as JSON."""
MOST_TAGS, LONGEST_TAG = 20, 63
FURTHEST_AHEAD = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of one item. What is left out is as its queue says."""

    payload: Any = None
    reference: str = ""
    priority: int | None = None
    available_at: datetime | None = None
    deadline: datetime | None = None
    tags: Sequence[str] = field(default_factory=tuple)


def problems_of(queue: Queue, wanted: Sequence[Wanted]) -> list[Problem]:
    """Return everything that is wrong with items before anything is written, by row where there are several."""
    validator = Draft202012Validator(queue.schema.document) if queue.schema is not None else None
    is_numbered = len(wanted) > 1
    return [
        Problem(f"items[{row}].{problem.field}" if is_numbered else problem.field, problem.message, problem.code)
        for row, one in enumerate(wanted)
        for problem in _problems_of_one(one, validator)
    ]


def _problems_of_one(one: Wanted, validator: Any) -> list[Problem]:
    problems = []
    if len(one.reference) > LONGEST_REFERENCE:
        problems.append(Problem("reference", f"has more than {LONGEST_REFERENCE} characters."))
    if one.priority is not None and not LOWEST_PRIORITY <= one.priority <= HIGHEST_PRIORITY:
        problems.append(Problem("priority", f"must lie between {LOWEST_PRIORITY} and {HIGHEST_PRIORITY}."))
    if one.available_at is not None and one.available_at > timezone.now() + FURTHEST_AHEAD:
        problems.append(Problem("available_at", "lies more than a year ahead."))
    if len(one.tags) > MOST_TAGS or any(not 0 < len(tag) <= LONGEST_TAG for tag in one.tags):
        problems.append(Problem("tags", f"give at most {MOST_TAGS}, each of 1 to {LONGEST_TAG} characters."))
    return problems + _problems_of_payload(one.payload, validator)


def _problems_of_payload(payload: Any, validator: Any) -> list[Problem]:
    if len(json.dumps(payload, ensure_ascii=False).encode()) > LARGEST_PAYLOAD:
        return [Problem("payload", f"has more than {LARGEST_PAYLOAD} bytes. Put large data into a file of the item.")]
    if validator is None:
        return []
    return [
        Problem(".".join(["payload", *map(str, error.absolute_path)]), error.message, "schema")
        for error in validator.iter_errors(payload)
    ]
