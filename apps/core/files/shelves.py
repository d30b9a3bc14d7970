"""Places in storage for files that rows name.

A file reaches its final place before its row is committed, and leaves it after its row is gone. Killed in between,
what is left is a file without a row, which the sweep removes; never a row without a file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, Protocol
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages
from django.db import transaction

from apps.core import ids
from apps.core.errors import Invalid, NotFound, Problem, Unavailable

#: The part of a shelf in which files lie until they are kept.
UPLOADS: Final = ".uploads"
#: Says of which of some ids there are rows.
Known = Callable[[list[UUID]], Iterable[UUID]]


class StoreFull(Unavailable):
    """The disk of the store has no room to spare: what else lies on it, such as a database, would stop."""

    code = "store_full"


class IncomingFile(File):
    """A file on its way in. On the disk of the shelf, keeping it is a rename."""

    def temporary_file_path(self) -> str:
        """Return where it lies; the storage looks for this name."""
        return str(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that has arrived whole: its name and type as they were told, its size and hash as they were found."""

    file: IncomingFile
    name: str
    content_type: str
    size_bytes: int
    sha256: str
    #: Empty where its sender said nothing of it.
    told_sha256: str = ""

    def refuse_changed(self) -> None:
        """Raise ``Invalid`` where another file has arrived than was sent."""
        if self.told_sha256 and self.sha256 != self.told_sha256:
            wrong = Problem(
                "X-Content-SHA256", "The file that arrived has another SHA-256. Send it again.", "bad_sha256"
            )
            raise Invalid(wrong.message, problems=[wrong], code="bad_sha256")


class KeptRow(Protocol):
    """A row that names a file; its id names one content for good."""

    pk: Any
    tenant_id: Any
    storage_name: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """One of the storages in the settings. ``shelf`` is its name there."""

    shelf: str

    @property
    def storage(self) -> Storage:
        """Return where its files lie."""
        return storages[self.shelf]

    @contextmanager
    def incoming(self, *, size: int = 0) -> Iterator[IncomingFile]:
        """Lend an empty file to write ``size`` bytes to, beside those that are kept; what was not kept is removed.

        Raises ``StoreFull``.
        """
        folder = self._upload_folder()
        if folder is not None:
            _refuse_on_full_disk(folder, size)
        with tempfile.NamedTemporaryFile(suffix=".upload", dir=folder, delete=False) as file:
            try:
                yield IncomingFile(file, name=file.name)
            finally:
                Path(file.name).unlink(missing_ok=True)

    @contextmanager
    def copied(self, source: File, *, name: str, content_type: str = "") -> Iterator[Upload]:
        """Lend a copy of a file that a form brought, ready to be kept. Raises ``StoreFull``."""
        digest = hashlib.sha256()
        with self.incoming(size=source.size) as file:
            for piece in source.chunks():
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
            sha256 = digest.hexdigest()
            yield Upload(file=file, name=name, content_type=content_type, size_bytes=source.size, sha256=sha256)

    def keep(self, row: KeptRow, file: IncomingFile) -> None:
        """Put a file where it belongs, and its place into ``row``, which is to be stored in this transaction."""
        row.storage_name = self.storage.save(_place_of(row), file)

    def open(self, row: KeptRow) -> IO[bytes]:
        """Open the file of a row for reading. Raises ``NotFound`` where it is gone."""
        try:
            return self.storage.open(row.storage_name)
        except FileNotFoundError as error:
            raise NotFound(f"The file “{row}” is missing from the store. Restore it from a backup.") from error

    def remove(self, row: KeptRow) -> None:
        """Remove the file of a row that is gone, once that is committed. Should this be lost, the sweep finds it."""
        transaction.on_commit(partial(self.storage.delete, row.storage_name), robust=True)

    def remove_named(self, names: Iterable[str]) -> None:
        """Remove the files of many rows that are gone, as ``remove`` does, by what was their ``storage_name``."""
        for name in names:
            transaction.on_commit(partial(self.storage.delete, name), robust=True)

    def sweep(self, before: datetime, *, known: Known) -> int:
        """Remove files last written before ``before`` that no row names; return how many.

        ``before`` must lie further back than an upload can take.
        """
        return sum(self._remove_unknown(folder, names, known) for folder, names in self._stored_before(before))

    def _remove_unknown(self, folder: str, names: list[str], known: Known) -> int:
        identities = [identity for name in names if (identity := _identity_of(name)) is not None]
        kept = {str(identity) for identity in known(identities)}
        orphans = [name for name in names if name not in kept]
        for name in orphans:
            self.storage.delete(f"{folder}/{name}")
        return len(orphans)

    def _stored_before(self, moment: datetime) -> Iterator[tuple[str, list[str]]]:
        """Yield each folder with the files in it that were last written before ``moment``."""
        yield UPLOADS, self._older(UPLOADS, moment)
        for tenant in self._folders(""):
            if tenant != UPLOADS:
                for day in self._folders(tenant):
                    yield f"{tenant}/{day}", self._older(f"{tenant}/{day}", moment)

    def _upload_folder(self) -> Path | None:
        """Return where files on their way in lie; ``None`` where that is on no disk of this machine."""
        try:
            folder = Path(self.storage.path(UPLOADS))
        except NotImplementedError:
            return None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def _folders(self, path: str) -> list[str]:
        try:
            return sorted(self.storage.listdir(path)[0])
        except FileNotFoundError:
            return []

    def _older(self, folder: str, moment: datetime) -> list[str]:
        try:
            names = self.storage.listdir(folder)[1]
        except FileNotFoundError:
            return []
        return [name for name in names if self._is_older(f"{folder}/{name}", moment)]

    def _is_older(self, path: str, moment: datetime) -> bool:
        try:
            return self.storage.get_modified_time(path) < moment
        except FileNotFoundError:
            return False  # It has reached its place meanwhile, or another sweep was first.


def _place_of(row: KeptRow) -> str:
    """Return where the file of a row belongs: by tenant and by day, so that no folder grows without end."""
    return f"{row.tenant_id}/{ids.made_at(row.pk):%Y-%m-%d}/{row.pk}"


def _identity_of(name: str) -> UUID | None:
    """Return which row a file is named after, if any."""
    try:
        return UUID(name)
    except ValueError:
        return None


def _refuse_on_full_disk(folder: Path, size: int) -> None:
    if shutil.disk_usage(folder).free - size < settings.FILES_DISK_RESERVE_BYTES:
        raise StoreFull("The orchestrator's disk is almost full, so it takes no files now. Try later.", retry_after=60)
