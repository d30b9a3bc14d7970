"""Where rows are, and how far a credential narrows what its holder reaches of them."""

from __future__ import annotations

from functools import cache, reduce
from operator import or_
from typing import Any, TypeVar

from django.apps import apps
from django.db import models
from django.db.models import Q

from apps.core.actors import Bounds

QuerySetT = TypeVar("QuerySetT", bound="models.QuerySet[Any]")


def within(queryset: QuerySetT, bounds: Bounds, permission: str) -> QuerySetT:
    """Narrow rows to those that a credential reaches, whatever its holder does."""
    if not bounds.permit(permission):
        return queryset.none()
    if bounds.folders is None:
        return queryset
    reached = in_folders(queryset.model, folders_below(bounds.folders))
    return queryset.filter(reached) if reached else queryset.none()


def in_folders(model: Any, folders: models.QuerySet[Any]) -> Q:
    """Return the condition that a row is in one of ``folders``; an empty one for rows that are in none."""
    column = folder_column(model)
    if column == "folders":
        through = model.folders.through.objects.filter(folder_id__in=folders)
        return Q(pk__in=through.values(model.folders.field.m2m_column_name()))
    return Q(**{f"{column}__in": folders}) if column else Q()


def folders_below(paths: tuple[str, ...]) -> models.QuerySet[Any]:
    """Return the ids of the folders at or below paths, as a subquery."""
    folders = apps.get_model("tenancy", "Folder").objects.order_by()
    below = [Q(path__startswith=path) for path in paths]
    return folders.filter(reduce(or_, below)).values("pk") if below else folders.none().values("pk")


@cache
def folder_column(model: Any) -> str | None:
    """Return the column that says in which folders rows of a model are, or ``None`` where they are in none."""
    if model._meta.label == "tenancy.Folder":
        return "pk"
    names = {field.name for field in model._meta.get_fields()}
    return "folder_id" if names & {"folder", "folder_id"} else "folders" if "folders" in names else None
