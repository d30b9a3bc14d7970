"""What is asked of items, and everything that may be wrong with it, found before anything is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

from django.utils import timezone
from jsonschema_rs import Draft202012Validator

from apps.core.errors import Problem
from apps.core.schemas import schema_validator
from apps.queues.models import Queue
from apps.queues.models.items import LONGEST_REFERENCE, LONGEST_TAG
from apps.queues.models.queues import HIGHEST_PRIORITY, LOWEST_PRIORITY

LARGEST_PAYLOAD = 1024 * 1024
"""Bytes of a payload as JSON."""
MOST_TAGS = 20
MOST_PROBLEMS, LONGEST_MESSAGE = 20, 300
"""So many problems of one payload are told, and so many characters of each."""
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
    problems_of_one, is_numbered = checker_of(queue), len(wanted) > 1
    return [
        Problem(f"items[{row}].{problem.field}" if is_numbered else problem.field, problem.message, problem.code)
        for row, one in enumerate(wanted)
        for problem in problems_of_one(one)
    ]


def checker_of(queue: Queue) -> Callable[[Wanted], list[Problem]]:
    """Return what finds everything that is wrong with one item for a queue."""
    validator = schema_validator(queue.schema.document) if queue.schema is not None else None
    return partial(_problems_of_one, validator=validator)


def _problems_of_one(one: Wanted, validator: Draft202012Validator | None) -> list[Problem]:
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


def _problems_of_payload(payload: Any, validator: Draft202012Validator | None) -> list[Problem]:
    if len(json.dumps(payload, ensure_ascii=False).encode()) > LARGEST_PAYLOAD:
        return [Problem("payload", f"has more than {LARGEST_PAYLOAD} bytes. Put large data into a file of the item.")]
    if validator is None:
        return []
    return [
        Problem(".".join(["payload", *map(str, error.instance_path)]), _clipped(error.message), "schema")
        for error in islice(validator.iter_errors(payload), MOST_PROBLEMS)
    ]


def _clipped(message: str) -> str:
    """Return what a schema says, which may repeat the whole payload, as something to be read."""
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}…"
