"""What a column takes, asked by services before the database refuses: its answer names neither field nor limit."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model

from apps.core.errors import Invalid, Problem


def refuse_unfit(row: Model, *names: str) -> None:
    """Raise ``Invalid`` with every one of these fields whose value is missing, too long or of the wrong form."""
    problems = [Problem(name, message) for name in names for message in _wrong_with(row, name)]
    if problems:
        raise Invalid(" ".join(f"{problem.field}: {problem.message}" for problem in problems), problems=problems)


def _wrong_with(row: Model, name: str) -> list[str]:
    field: Any = row._meta.get_field(name)
    value = getattr(row, name)
    if field.blank and value in field.empty_values:
        return []
    try:
        field.clean(value, row)
    except ValidationError as error:
        return error.messages
    return []
