"""File stores, and the files in them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit import services as audit
from apps.core import ids
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, Problem
from apps.core.files.conditions import ALWAYS, Condition
from apps.core.files.shelves import Upload
from apps.events import services as events
from apps.queues.models import FileStore, StoredFile
from apps.queues.services import _keeping
from apps.queues.services._keeping import FILES, Limits, Written
from apps.rbac import services as rbac
from apps.tenancy.models import Folder


class StoreDeleted(Conflict):
    """The store was deleted."""

    code = "store_deleted"


@transaction.atomic
def create_store(folder: Folder, *, actor: Actor, name: str, description: str = "") -> FileStore:
    """Make an empty store in ``folder``. Raises ``Invalid``, ``Conflict``."""
    rbac.require(actor, "queues.add_filestore", folder)
    store = FileStore(folder=folder, tenant_id=folder.tenant_id, name=name, description=description)
    _save(store)
    audit.record(actor, "filestore.created", store, after=_facts(store))
    events.record("filestore.created", store)
    return store


@transaction.atomic
def update_store(
    store: FileStore, *, actor: Actor, name: str | None = None, description: str | None = None
) -> FileStore:
    """Rename or describe a store. Raises ``Invalid``, ``Conflict``."""
    rbac.require(actor, "queues.change_filestore", store)
    _lock(store)
    before = _facts(store)
    store.name = store.name if name is None else name
    store.description = store.description if description is None else description
    _save(store)
    audit.record(actor, "filestore.updated", store, before=before, after=_facts(store))
    events.record("filestore.updated", store)
    return store


@transaction.atomic
def delete_store(store: FileStore, *, actor: Actor) -> None:
    """Take a store out of every list, and its files away for good; what they were is counted in the trail."""
    rbac.require(actor, "queues.delete_filestore", store)
    _lock(store)
    removed = list(StoredFile.objects.filter(store=store))
    StoredFile.objects.filter(store=store).delete()
    for file in removed:
        FILES.remove(file)
    FileStore.objects.filter(pk=store.pk).update(deleted_at=Now())
    size = sum(file.size_bytes for file in removed)
    audit.record(actor, "filestore.deleted", store, before=_facts(store) | {"files": len(removed), "size": size})
    events.record("filestore.deleted", store)


@transaction.atomic
def write_stored_file(store: FileStore, *, actor: Actor, upload: Upload, condition: Condition = ALWAYS) -> Written:
    """Put a file into a store, in place of what lies under the same path.

    The same again changes nothing. Raises ``Invalid``, ``Outdated``, ``TooManyFiles``, ``TooLarge``, ``Conflict``.
    """
    rbac.require(actor, "queues.add_storedfile", store)
    _lock(store)
    made = StoredFile(
        id=ids.uuid7(),
        tenant_id=store.tenant_id,
        store=store,
        path=upload.name,
        written_by=str(actor)[:200],
        written_at=timezone.now(),
    )
    limits = Limits(settings.STORED_FILE_LIMIT_BYTES, settings.STORE_FILES_MOST, settings.STORE_LIMIT_BYTES)
    written = _keeping.write(made, upload, condition, limits)
    if written.is_changed:
        told = {"file": str(written.file.pk), "size": written.file.size_bytes}
        events.record("filestore.file_written", store, data=told, actor=actor)
        if _keeping.is_noted(actor):
            before = _keeping.facts_of(written.former) if written.former is not None else None
            audit.record(actor, "filestore.file_written", store, before=before, after=_keeping.facts_of(written.file))
    return written


@transaction.atomic
def delete_stored_file(store: FileStore, *, actor: Actor, path: str, condition: Condition = ALWAYS) -> None:
    """Take a file out of a store for good. Raises ``NotFound``, ``Outdated``."""
    rbac.require(actor, "queues.delete_storedfile", store)
    _lock(store)
    removed = _keeping.remove_named(StoredFile.objects.filter(store=store), path, condition)
    audit.record(actor, "filestore.file_deleted", store, before=_keeping.facts_of(removed))
    events.record("filestore.file_deleted", store, data={"file": str(removed.pk)}, actor=actor)


@transaction.atomic
def note_stored_download(store: FileStore, *, actor: Actor, file: StoredFile) -> None:
    """Write down that somebody took a file of a store; robots and jobs do so all the time, and are not noted."""
    rbac.require(actor, "queues.view_filestore", store)
    if _keeping.is_noted(actor):
        audit.record(actor, "filestore.file_downloaded", store, after=_keeping.facts_of(file))


def _lock(store: FileStore) -> None:
    store.refresh_from_db(from_queryset=FileStore.objects.select_for_update(of=("self",), no_key=True))
    if store.deleted_at is not None:
        raise StoreDeleted("The store was deleted.")


def _facts(store: FileStore) -> dict[str, Any]:
    return {"name": store.name, "description": store.description}


def _save(store: FileStore) -> None:
    store.name = store.name.strip()
    try:
        store.clean_fields(exclude=["folder", "tenant"])
        with transaction.atomic():
            store.save()
    except ValidationError as error:
        problems = [Problem(field, text) for field, texts in error.message_dict.items() for text in texts]
        raise Invalid("; ".join(f"{p.field}: {p.message}" for p in problems), problems=problems) from error
    except IntegrityError as error:
        if "filestore_name_free" not in str(error):
            raise
        message = f"The folder has a file store “{store.name}” already."
        raise Conflict(message, code="name_taken", field="name") from error
