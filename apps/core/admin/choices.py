"""Which rows a person may be offered, in forms, filters and lists."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from apps.core.actors import Actor


def offered(model: Any, actor: Actor) -> QuerySet[Any]:
    """Return the rows of a model that are visible to the actor and not deleted; none where a model cannot tell."""
    rows = model._default_manager.all()
    return alive(rows.visible_to(actor)) if hasattr(rows, "visible_to") else rows.none()


def alive(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Leave out deleted rows, of a model that keeps them."""
    keeps = any(field.name == "deleted_at" for field in rows.model._meta.fields)
    return rows.filter(deleted_at=None) if keeps else rows
