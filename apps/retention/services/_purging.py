"""Purging what has lain in the bin for long enough. Everything here runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db.models.functions import Now
from guardian.models import UserObjectPermission

from apps.audit import services as audit
from apps.core import keeping
from apps.core.actors import Actor
from apps.core.keeping import Gone
from apps.rbac.models import GroupObjectPermission
from apps.retention.models.bins import BIN, BinKind, due_of, unnamed

#: So many rows are removed at once: each takes a look at all that could name it.
_MOST_REMOVED: Final = 50


def purge(values: Mapping[str, Any], actor: Actor, limit: int) -> Gone:
    """Purge rows of one kind that are due, or else remove purged ones that nothing names any more."""
    for kind in BIN.values():
        chosen = keeping.hold(kind.model, due_of(kind, values, limit))
        if chosen:
            return _purge(kind, chosen, actor)
    for kind in BIN.values():
        if not kind.stays and (free := unnamed(kind, min(limit, _MOST_REMOVED))):
            return _remove(kind, keeping.hold(kind.model, free))
    return Gone()


def _purge(kind: BinKind, chosen: list[UUID], actor: Actor) -> Gone:
    """Erase what only these rows need, secrets first of all. Their names stay for the history that tells of them."""
    texts = [str(one) for one in chosen]
    for shared in (UserObjectPermission, GroupObjectPermission):
        shared.objects.filter(object_pk__in=texts).delete()
    for part, way in kind.erased:
        part._base_manager.filter(**{f"{way}__in": chosen}).delete()
    rows = kind.model._base_manager.filter(pk__in=chosen)
    newest = None
    for row in rows:
        newest = max(filter(None, [newest, row.deleted_at]))
        if row.deleted_by:
            facts = {"name": row.name, "deleted_at": row.deleted_at, "deleted_by": row.deleted_by}
            audit.record(actor, f"{kind.noun}.purged", row, before=facts)
    rows.update(purged_at=Now(), **dict.fromkeys(kind.cleared))
    return Gone(len(chosen), newest)


def _remove(kind: BinKind, chosen: list[UUID]) -> Gone:
    for part, way in kind.parts:
        part._base_manager.filter(**{f"{way}__in": chosen}).delete()
    kind.model._base_manager.filter(pk__in=chosen).delete()
    return Gone(len(chosen))
