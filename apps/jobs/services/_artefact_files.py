"""Where the files lie that jobs left, and how one gets there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages

from apps.core import ids
from apps.core.errors import NotFound, Unavailable
from apps.jobs.models import Artefact

#: The part of the store in which files lie until they are kept.
UPLOADS = ".uploads"


class StoreFull(Unavailable):
    """The disk of the store has no room to spare: what else lies on it, such as a database, would stop."""

    code = "store_full"


class IncomingFile(File):
    """A file on its way in. On the disk of the store, keeping it is a rename."""

    def temporary_file_path(self) -> str:
        """Return where it lies; the store looks for this name."""
        return str(self.name)


def artefact_storage() -> Storage:
    """Return where the files lie that jobs left."""
    return storages["artefacts"]


@contextmanager
def incoming_file(*, size: int = 0) -> Iterator[IncomingFile]:
    """Lend an empty file to write ``size`` bytes to, beside those that are kept; what was not kept is removed.

    Raises ``StoreFull``.
    """
    folder = _upload_folder()
    if folder is not None:
        _refuse_on_full_disk(folder, size)
    with tempfile.NamedTemporaryFile(suffix=".upload", dir=folder, delete=False) as file:
        try:
            yield IncomingFile(file, name=file.name)
        finally:
            Path(file.name).unlink(missing_ok=True)


def open_artefact(artefact: Artefact) -> IO[bytes]:
    """Open a file that a job left for reading. Raises ``NotFound`` where it is gone."""
    try:
        return artefact_storage().open(artefact.storage_name)
    except FileNotFoundError as error:
        raise NotFound(f"The file “{artefact}” is missing from the store. Restore it from a backup.") from error


def place_of(artefact: Artefact) -> str:
    """Return where the file of an artefact belongs: by tenant and by day, so that no folder grows without end."""
    return f"{artefact.tenant_id}/{ids.made_at(artefact.pk):%Y-%m-%d}/{artefact.pk}"


def stored_before(moment: datetime) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder of the store with the files in it that were last written before ``moment``."""
    yield UPLOADS, _older(UPLOADS, moment)
    for tenant in _folders(""):
        if tenant != UPLOADS:
            for day in _folders(tenant):
                yield f"{tenant}/{day}", _older(f"{tenant}/{day}", moment)


def identity_of(name: str) -> UUID | None:
    """Return which artefact a file of the store is named after, if any."""
    try:
        return UUID(name)
    except ValueError:
        return None


def _upload_folder() -> Path | None:
    """Return where files that are on their way in lie; ``None`` where the store is not on a disk of this machine."""
    try:
        folder = Path(artefact_storage().path(UPLOADS))
    except NotImplementedError:
        return None
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _refuse_on_full_disk(folder: Path, size: int) -> None:
    if shutil.disk_usage(folder).free - size < settings.ARTEFACTS_DISK_RESERVE_BYTES:
        raise StoreFull("The orchestrator's disk is almost full, so it takes no files now. Try later.", retry_after=60)


def _folders(path: str) -> list[str]:
    try:
        return sorted(artefact_storage().listdir(path)[0])
    except FileNotFoundError:
        return []


def _older(folder: str, moment: datetime) -> list[str]:
    try:
        names = artefact_storage().listdir(folder)[1]
    except FileNotFoundError:
        return []
    return [name for name in names if _is_older(f"{folder}/{name}", moment)]


def _is_older(path: str, moment: datetime) -> bool:
    try:
        return artefact_storage().get_modified_time(path) < moment
    except FileNotFoundError:
        return False  # It has reached its place meanwhile, or another sweep was first.
