"""What bringing a file, and making or changing a store, asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django import forms
from django.core.files import File

from apps.core.actors import Actor
from apps.core.admin.forms import FileInput, OperatorForm
from apps.core.files import facts
from apps.core.files.conditions import ALWAYS, Condition
from apps.core.files.shelves import Upload
from apps.queues import services
from apps.queues.models import FileStore, QueueItem, StoredFile
from apps.queues.models.files import KeptFile
from apps.tenancy.admin.places import FolderField


class BringForm(OperatorForm):
    """Asks for a file, and what it shall be called."""

    file = forms.FileField(label="File", widget=FileInput(), allow_empty_file=True)
    name = forms.CharField(
        label="Name", required=False, max_length=facts.LONGEST_PATH, help_text="Empty: as the file is called."
    )
    replaces = forms.BooleanField(label="Replace a file of this name", required=False)
    #: How a name is read.
    reader: ClassVar[Any] = staticmethod(facts.read_name)

    def clean(self) -> dict[str, Any]:
        """Find the name, in its one spelling."""
        asked = super().clean() or {}
        try:
            name = self.reader(asked.get("name") or getattr(asked.get("file"), "name", ""))
        except ValueError as wrong:
            self.add_error("name", str(wrong))
            return asked
        return asked | {"name": name}


class BringToStoreForm(BringForm):
    """Asks for a file, and for its path in a store."""

    name = forms.CharField(
        label="Path",
        required=False,
        max_length=facts.LONGEST_PATH,
        help_text="Such as 2026/march.csv. Empty: as the file is called.",
    )
    reader = staticmethod(facts.read_path)


class NewStoreForm(OperatorForm):
    """Asks for all that a new store needs."""

    asks_for = (FileStore, ("name", "description"))
    folder = FolderField(help_text="Where it lives: robots that work for this folder read and write it.")

    def offer(self) -> None:
        folder: Any = self.fields["folder"]
        folder.offer(self.actor, "queues.add_filestore")


class StoreForm(OperatorForm):
    """Asks what a store shall be called."""

    asks_for = (FileStore, ("name", "description"))


def bring_to_item(item: QueueItem, *, actor: Actor, file: File, name: str, replaces: bool) -> None:
    """Give an item a file that a form brought."""
    with _brought(file, name) as upload:
        services.write_item_file(item, actor=actor, upload=upload, condition=_condition(replaces))


def bring_to_store(store: FileStore, *, actor: Actor, file: File, name: str, replaces: bool) -> None:
    """Put a file that a form brought into a store."""
    with _brought(file, name) as upload:
        services.write_stored_file(store, actor=actor, upload=upload, condition=_condition(replaces))


def delete_file(file: Any, *, actor: Actor) -> None:
    """Take away the very file that is shown, and not one that has replaced it meanwhile."""
    condition = Condition(frozenset({file.sha256}))
    if isinstance(file, StoredFile):
        services.delete_stored_file(file.store, actor=actor, path=file.path, condition=condition)
    else:
        services.delete_item_file(file.item, actor=actor, name=file.name, condition=condition)


def note_download(file: KeptFile, *, actor: Actor) -> None:
    """Write down that a file was taken."""
    if isinstance(file, StoredFile):
        services.note_stored_download(file.store, actor=actor, file=file)
    else:
        services.note_item_download(file.lies_in, actor=actor, file=file)  # type: ignore[arg-type]


@contextmanager
def _brought(file: File, name: str) -> Iterator[Upload]:
    try:
        kind = facts.read_content_type(str(getattr(file, "content_type", "") or ""))
    except ValueError:  # What a browser calls a file is no reason to refuse it.
        kind = ""
    with services.FILES.copied(file, name=name, content_type=kind) as upload:
        yield upload


def _condition(replaces: bool) -> Condition:
    return ALWAYS if replaces else Condition(is_absent=True)
