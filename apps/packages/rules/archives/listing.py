"""What must hold between the entries of one archive: no twins, no clash of file and folder, no overlap, no gap."""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from apps.packages.rules.archives.layout import Directory, Record, Unreadable, read_descriptor
from apps.packages.rules.archives.names import folded
from apps.packages.rules.problems import shown

Clash = tuple[str, str, str]  # the name, a code and a message


def clashes(names: Iterable[str]) -> Iterator[Clash]:
    """Say which names would land on one another on some file system. Folder names end in `/`."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    given_folders: set[str] = set()
    for name in names:
        path = name.removesuffix("/")
        yield from _folder_clashes(_parents(path), folders)
        if path == name:
            yield from _twin(name, path, files)
            continue
        if name in given_folders:
            yield name, "duplicate_name", "The folder is in the archive twice."
        given_folders.add(name)
        yield from _folder_clashes([path], folders)
    for key in files.keys() & folders.keys():
        yield files[key], "name_clash", f"The name is both a file's and a folder's ('{shown(folders[key])}/')."


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _twin(name: str, path: str, files: dict[str, str]) -> Iterator[Clash]:
    other = files.setdefault(folded(path), path)
    if other == path and other is path:
        return
    if other == path:
        yield name, "duplicate_name", "The file is in the archive twice."
    else:
        yield name, "duplicate_name", f"The name differs from '{shown(other)}' only in case or accents. Rename one."


def _folder_clashes(paths: list[str], folders: dict[str, str]) -> Iterator[Clash]:
    for path in paths:
        other = folders.setdefault(folded(path), path)
        if other != path:
            yield (
                f"{path}/",
                "duplicate_name",
                f"The folder's name differs from '{shown(other)}/' only in case or accents. Use one spelling.",
            )


def check_extents(file: BinaryIO, directory: Directory, data_starts: dict[Record, int]) -> None:
    """Raise `Unreadable` unless the entries lie one right after the other, from byte 0 to the directory."""
    expected = 0
    for record in sorted(directory.records, key=lambda one: one.offset):
        if record.offset < expected:
            raise Unreadable("overlap", "Entries of the archive overlap, as in a zip bomb. Build it anew.")
        if record.offset > expected:
            raise Unreadable("stray_bytes", "There are bytes between the entries of the archive. Build it anew.")
        expected = data_starts[record] + record.packed_size
        if record.has_descriptor:
            expected += _descriptor_length(file, record, expected)
    if expected > directory.start:
        raise Unreadable("overlap", "An entry of the archive reaches into its directory. Build it anew.")
    if expected < directory.start:
        raise Unreadable("stray_bytes", "There are bytes between the entries and the directory. Build it anew.")


def _descriptor_length(file: BinaryIO, record: Record, at: int) -> int:
    length = read_descriptor(file, at, record)
    if length is None:
        raise Unreadable("header_differs", "The record after an entry's data differs from the directory.")
    return length
