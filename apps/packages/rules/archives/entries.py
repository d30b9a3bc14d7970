"""What a single entry of an archive must be like, before any of its data is looked at."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass

from apps.packages.rules.archives.layout import Local, Record, tricky_field
from apps.packages.rules.limits import Limits

STORED, DEFLATED = 0, 8
ENCRYPTED_FLAGS = 0x2041  # encrypted, strongly encrypted, directory masked
ACCEPTED_FLAGS = 0x080E  # deflate level (two bits), descriptor after the data, UTF-8 name
DOS_VOLUME, DOS_FOLDER, WINDOWS_REPARSE_POINT = 0x08, 0x10, 0x400
NEWEST_VERSION = 20  # 2.0: folders and deflate
UNIX_SPECIAL_RIGHTS = stat.S_ISUID | stat.S_ISGID

Trouble = tuple[str, str]  # a code and a message


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder that may be read. Its sizes and CRC are still claims, checked while its data is read."""

    name: str
    method: int
    crc: int
    packed_size: int
    size: int
    data_start: int

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/")


def record_troubles(record: Record, name: str, limits: Limits) -> Iterator[Trouble]:
    """Say what is wrong with what the directory tells about one entry."""
    yield from _encoding_troubles(record)
    yield from _kind_troubles(record, name)
    yield from _size_troubles(record, name, limits)


def _encoding_troubles(record: Record) -> Iterator[Trouble]:
    if record.flags & ENCRYPTED_FLAGS:
        yield "encrypted", "The file is encrypted. Packages are stored in the clear: build it without a password."
    elif record.flags & ~ACCEPTED_FLAGS or record.version > NEWEST_VERSION:
        yield (
            "unknown_feature",
            f"The file uses a ZIP feature that is not accepted (flags {record.flags:#06x}, version {record.version}).",
        )
    if record.method not in {STORED, DEFLATED}:
        yield "unknown_method", f"The file is packed by method {record.method}; only store and deflate are accepted."
    if wrong := tricky_field(record.extra):
        yield "extra_field", f"The file carries {wrong}, which is not accepted."
    if record.disk:
        yield "many_parts", "The file lies in another part of a split archive."


def _kind_troubles(record: Record, name: str) -> Iterator[Trouble]:
    mode = record.attributes >> 16
    kind = stat.S_IFMT(mode)
    is_folder = name.endswith("/")
    if kind == stat.S_IFLNK or record.attributes & WINDOWS_REPARSE_POINT:
        yield "link", "Links are not accepted. Put the file itself into the package."
    elif kind not in {0, stat.S_IFREG, stat.S_IFDIR} or record.attributes & DOS_VOLUME:
        yield "special_file", "Devices, pipes and sockets are not accepted, only files and folders."
    elif (kind and (kind == stat.S_IFDIR) != is_folder) or (record.attributes & DOS_FOLDER and not is_folder):
        yield "file_kind", "The archive is of two minds whether this is a file or a folder."
    elif mode & UNIX_SPECIAL_RIGHTS and not is_folder:
        yield "special_rights", "A file must not carry the set-user-ID or set-group-ID right."


def _size_troubles(record: Record, name: str, limits: Limits) -> Iterator[Trouble]:
    if name.endswith("/") and record.size:
        yield "file_kind", "A folder must not have content."
    if record.method == STORED and record.size != record.packed_size:
        yield "size_lies", "The file is stored as it is, but its two sizes differ."
    if record.size > limits.entry_ratio * record.packed_size:
        yield (
            "ratio",
            f"The file unpacks to more than {limits.entry_ratio} times its packed size, as a zip bomb would. "
            "If it is real, store it without compression.",
        )


def local_troubles(record: Record, local: Local) -> Iterator[Trouble]:
    """Say where the header before the data differs from the directory: readers believe the one or the other."""
    told = {
        "name": record.raw_name == local.raw_name,
        "flags": record.flags == local.flags,
        "method": record.method == local.method,
        "time": record.stamp == local.stamp,
        "CRC": _repeats(record, local.crc, record.crc),
        "packed size": _repeats(record, local.packed_size, record.packed_size),
        "size": _repeats(record, local.size, record.size),
    }
    if wrong := [what for what, is_same in told.items() if not is_same]:
        yield (
            "header_differs",
            f"The archive's directory and the header of the file differ in: {', '.join(wrong)}. Build it anew.",
        )
    if field := tricky_field(local.extra):
        yield "extra_field", f"The file carries {field}, which is not accepted."


def _repeats(record: Record, found: int, expected: int) -> bool:
    return found == expected or (record.has_descriptor and found == 0)
