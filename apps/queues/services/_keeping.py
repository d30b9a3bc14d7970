"""Writing and removing the files of one owner, an item or a store, which the caller holds locked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Sum

from apps.core.actors import Actor
from apps.core.errors import Conflict, NotFound, TooLarge
from apps.core.files.conditions import Condition
from apps.core.files.shelves import Shelf, Upload
from apps.queues.models.files import KeptFile

#: Where the files of items and of stores lie.
FILES = Shelf("files")


class TooManyFiles(Conflict):
    """There are as many files as one item or one store may have; ``limit`` in the answer says how many."""

    code = "too_many"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one owner may have: bytes of one file, number of files, bytes of all."""

    largest: int
    most: int
    total: int


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is there now, and what was there before under its name, if anything."""

    file: Any
    former: Any = None

    @property
    def is_new(self) -> bool:
        """Whether there was none of this name."""
        return self.former is None

    @property
    def is_changed(self) -> bool:
        """Whether anything was written: the same content again changes nothing."""
        return self.former is not self.file


def write(made: KeptFile, upload: Upload, condition: Condition, limits: Limits) -> Written:
    """Keep what has arrived as the file ``made``, in place of what there is under its name.

    The same again counts as done, also where its condition no longer holds because it was done before. Raises
    ``Invalid`` for another hash than was told, ``Outdated``, ``TooManyFiles``, ``TooLarge``.
    """
    upload.refuse_changed()
    known = _files_beside(made).filter(**{made.NAMED_BY: made.called}).first()
    if known is not None and not condition.is_absent and _is_same(known, upload):
        return Written(known, known)
    condition.check(made.called, known.sha256 if known is not None else None)
    _refuse_beyond(limits, made, known, upload.size_bytes)
    made.content_type, made.size_bytes, made.sha256 = upload.content_type, upload.size_bytes, upload.sha256
    FILES.keep(made, upload.file)
    if known is not None:
        remove(known)
    made.save(force_insert=True)
    return Written(made, known)


def remove_named(files: Any, name: str, condition: Condition) -> KeptFile:
    """Remove the file of a name. Raises ``NotFound``, ``Outdated``."""
    known: KeptFile | None = files.filter(**{files.model.NAMED_BY: name}).first()
    if known is None:
        raise NotFound(f"There is no file “{name[:100]}” here.", code="unknown_file")
    condition.check(name, known.sha256)
    remove(known)
    return known


def remove(file: KeptFile) -> None:
    """Remove a file for good: its row now, the rest once that is committed."""
    type(file)._base_manager.filter(pk=file.pk).delete()
    FILES.remove(file)


def facts_of(file: KeptFile) -> dict[str, object]:
    """Return what stands of a file in the trail."""
    return {"file": file.called, "size": file.size_bytes, "sha256": file.sha256}


def is_noted(actor: Actor) -> bool:
    """Whether what somebody does to files stands in the trail: robots and jobs read and write them all the time."""
    return not (actor.is_robot or actor.is_job)


def _files_beside(file: KeptFile) -> Any:
    owner = f"{file.OWNED_BY}_id"
    return type(file)._base_manager.filter(**{owner: getattr(file, owner)})


def _is_same(known: KeptFile, upload: Upload) -> bool:
    return (known.sha256, known.content_type) == (upload.sha256, upload.content_type)


def _refuse_beyond(limits: Limits, made: KeptFile, known: KeptFile | None, size: int) -> None:
    if size > limits.largest:
        raise TooLarge(f"The file has {size} bytes; one has at most {limits.largest}.", limit=limits.largest)
    others = _files_beside(made).exclude(pk=known.pk) if known is not None else _files_beside(made)
    so_far = others.aggregate(count=Count("pk"), size=Sum("size_bytes", default=0))
    if so_far["count"] >= limits.most:
        message = f"There are {limits.most} files in this {made.OWNED_BY} already; it takes no more. Delete some."
        raise TooManyFiles(message, limit=limits.most)
    if so_far["size"] + size > limits.total:
        message = f"With this file the {made.OWNED_BY} would hold more than {limits.total} bytes. Delete some."
        raise TooLarge(message, limit=limits.total)
