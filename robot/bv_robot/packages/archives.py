"""Taking a package apart safely: nothing in it can reach outside the directory meant for it."""

from __future__ import annotations

import errno
import lzma
import stat
import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path

MOST_ENTRIES = 10_000
MOST_BYTES = 500 * 1024 * 1024
BLOCK = 256 * 1024
DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, lzma.LZMAError, NotImplementedError, RuntimeError, EOFError,
          ValueError)  # fmt: skip
"""What reading a damaged archive may raise."""


class UnsafeArchive(Exception):
    """The archive is damaged, or holds something that no honest builder makes."""


def extract(archive: Path, target: Path) -> Path:
    """Unpack a package into ``target`` and return the project's root, which may be the one folder inside.

    Raises:
        UnsafeArchive: before the offending entry is written.
    """
    try:
        with zipfile.ZipFile(archive) as package:
            entries = package.infolist()
            check_names(entries)
            room = MOST_BYTES
            for entry in entries:
                room -= _extract_entry(package, entry, target, room)
    except (FileExistsError, NotADirectoryError) as clash:
        raise UnsafeArchive(f"the package holds a file and a folder of one name: {clash.filename}") from clash
    except DAMAGE as error:
        raise UnsafeArchive(f"the package cannot be unpacked: {error}") from error
    except OSError as error:
        if error.errno not in {None, errno.EINVAL}:  # Then it is the disk's fault and not the archive's.
            raise
        raise UnsafeArchive(f"the package cannot be unpacked: {error}") from error
    return _root_of(target)


def check_names(entries: list[zipfile.ZipInfo]) -> None:
    """Refuse entries that lie outside the project, are no plain files, or would overwrite one another."""
    if len(entries) > MOST_ENTRIES:
        raise UnsafeArchive(f"the package holds {len(entries)} entries; {MOST_ENTRIES} are allowed")
    seen: set[str] = set()
    for entry in entries:
        _check_name(entry.orig_filename)
        _check_kind(entry)
        key = unicodedata.normalize("NFC", entry.filename.rstrip("/")).casefold()
        if key in seen:
            raise UnsafeArchive(f"the package holds {entry.filename!r} twice")
        seen.add(key)


def _check_name(name: str) -> None:
    parts = name.removesuffix("/").split("/")
    if "\\" in name or ":" in name or any(ord(character) < 32 for character in name):
        raise UnsafeArchive(f"the package holds a name that is not portable: {name!r}")
    if not name or name.startswith("/") or any(part in {"", ".", ".."} for part in parts):
        raise UnsafeArchive(f"the package holds a path outside itself: {name!r}")


def _check_kind(entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise UnsafeArchive(f"the package holds a link or device: {entry.filename!r}")


def _extract_entry(package: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, room: int) -> int:
    """Write one entry and return its size. The size an archive claims is not believed."""
    path = target / entry.filename
    if entry.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with package.open(entry) as source, path.open("xb") as file:
        while block := source.read(BLOCK):
            written += len(block)
            if written > room:
                raise UnsafeArchive(f"the package holds more than {MOST_BYTES} bytes")
            file.write(block)
    return written


def _root_of(target: Path) -> Path:
    if (target / "bvproject.yaml").exists():
        return target
    inside = list(target.iterdir())
    return inside[0] if len(inside) == 1 and (inside[0] / "bvproject.yaml").exists() else target
