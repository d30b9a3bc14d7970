"""Saying that a column has a value so that big tables are read along the index we mean."""

from __future__ import annotations

from typing import Any


def within(column: str, value: Any) -> dict[str, Any]:
    """Return the condition that ``column`` has ``value``, said as a range, for a queryset's ``filter``.

    A column that is plainly constant drops out of an order, and the planner is free to walk along another index. Said
    so, only an index that begins with the column gives its rows in the order of that index.
    """
    return {f"{column}__gte": value, f"{column}__lte": value}
