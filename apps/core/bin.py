"""The bin: what people made and deleted. It is out of every list and its name is free, but it can be had back.

After a time it is purged: its secrets and what only it needs are gone, and the row goes as soon as no history names it.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.actors import Actor
from apps.core.columns import refuse_unfit
from apps.core.errors import Conflict

#: What lies in the bin and can be had back. What went by itself was put there by nobody.
IN_BIN: Final = Q(deleted_at__isnull=False, purged_at=None) & ~Q(deleted_by="")
_LONGEST_ACTOR = 200
#: So many names are tried for one that is free.
_MOST_TRIED = 50


class Binnable(models.Model):
    """A row with a name that can be deleted and had back."""

    #: Within what a name is free or taken.
    NAMED_WITHIN: ClassVar[tuple[str, ...]] = ("folder",)

    deleted_at = models.DateTimeField(null=True, editable=False)
    deleted_by = models.CharField(max_length=_LONGEST_ACTOR, blank=True, default="", db_default="", editable=False)
    purged_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True

    @property
    def is_in_bin(self) -> bool:
        """Whether it can be had back."""
        return self.deleted_at is not None and self.purged_at is None and bool(self.deleted_by)


def in_bin(table: str) -> models.Index:
    """Return the index by which the bin, and what is due to be purged, is found."""
    return models.Index(fields=["deleted_at"], name=f"{table}_in_bin", condition=Q(deleted_at__isnull=False))


def put(row: Any, *, by: Actor, **changes: Any) -> None:
    """Put a row into the bin with ``changes``. Raises ``Conflict`` where somebody else has just done so."""
    facts = {"deleted_at": Now(), "deleted_by": str(by)[:_LONGEST_ACTOR], **changes}
    if not _rows(row).filter(pk=row.pk, deleted_at=None).update(**facts):
        raise Conflict(f"“{row.name}” was deleted already.", code="deleted")


def take_back(row: Any, *, name: str | None = None, **changes: Any) -> None:
    """Take a row out of the bin, under another ``name`` if one is given.

    Raises ``Conflict``: where it is not in the bin, where its folder is, and where its name was given away meanwhile;
    ``suggestion`` in the answer is a name that is free.
    """
    row.refresh_from_db(from_queryset=_rows(row).select_for_update(of=("self",)))
    if not row.is_in_bin:
        raise Conflict(f"“{row.name}” is not in the bin.", code="not_in_bin")
    refuse_if_gone(getattr(row, "folder", None), "Its folder")
    if name is not None:
        row.name = name.strip()
        refuse_unfit(row, "name")
    for field, value in {**changes, "deleted_at": None, "deleted_by": ""}.items():
        setattr(row, field, value)
    try:
        with transaction.atomic():
            row.save(update_fields=["name", "deleted_at", "deleted_by", *changes])
    except IntegrityError as error:
        if "_name_free" not in str(error):
            raise
        raise _taken(row) from error


def refuse_if_gone(other: Any, what: str) -> None:
    """Refuse to have something back without what it needs, which is held until then. Raises ``Conflict``."""
    if other is not None:
        other.refresh_from_db(from_queryset=_rows(other).select_for_update(of=("self",), no_key=True))
    if other is not None and other.deleted_at is not None:
        where = "is in the bin. Restore that first" if getattr(other, "is_in_bin", False) else "was deleted"
        raise Conflict(f"{what} “{other.name}” {where}.", code="needs_deleted", needs=str(other.pk))


def _taken(row: Any) -> Conflict:
    kind, free = row._meta.verbose_name, _free_name(row)
    message = f"There is another {kind} “{row.name}” by now. Restore this one under another name, such as “{free}”."
    return Conflict(message, code="name_taken", field="name", suggestion=free)


def _free_name(row: Any) -> str:
    """Return the name with an ending that nothing living beside it has."""
    beside = _rows(row).filter(deleted_at=None, **{field: getattr(row, field) for field in row.NAMED_WITHIN})
    longest = row._meta.get_field("name").max_length
    endings = ("-restored", *(f"-restored-{number}" for number in range(2, _MOST_TRIED)))
    wanted = [row.name[: longest - len(ending)] + ending for ending in endings]
    lowered = models.functions.Lower("name")
    taken = set(beside.filter(name__istartswith=row.name[: longest - 15]).values_list(lowered, flat=True))
    return str(next((one for one in wanted if one.lower() not in taken), wanted[-1]))


def _rows(row: Any) -> Any:
    return type(row)._base_manager
