"""The bytes of a ZIP file: its end record, its central directory, the headers before each file.

Python's `zipfile` is made to read whatever it can: it skips bytes before and after the archive, follows zip64 records,
cuts names at NUL and takes the central directory's word for everything. Here the layout must be the plain one that
every reader understands in the same way, and the directory is bounded before it is read. Each ZIP tool writes that
layout by default; none of the refused features is needed below 4 GiB and 65,535 files.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from apps.packages.rules.limits import Limits

END = struct.Struct("<4s4H2LH")
CENTRAL = struct.Struct("<4s6H3L5H2L")
LOCAL = struct.Struct("<4s5H3L2H")
FIELD = struct.Struct("<2H")
END_MARK, CENTRAL_MARK, LOCAL_MARK, DESCRIPTOR_MARK = b"PK\5\6", b"PK\1\2", b"PK\3\4", b"PK\7\x08"
ZIP64_LOCATOR_MARK = b"PK\6\7"
LONGEST_COMMENT = 0xFFFF

# Extra fields that change what an entry is: sizes, name, encryption, or a link and its target.
TRICKY_FIELDS = {
    0x0001: "zip64 sizes",
    0x000D: "Unix links and devices",
    0x0017: "strong encryption",
    0x7075: "a second name",
    0x756E: "Unix links and devices",
    0x9901: "encryption",
}


class Unreadable(Exception):
    """The archive is laid out in a way that is refused as a whole. `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the central directory, just as written. Nothing in it is believed yet."""

    raw_name: bytes
    version: int  # of the ZIP format that a reader must know, times ten
    flags: int
    method: int
    stamp: tuple[int, int]  # time and date of change, as DOS writes them
    crc: int
    packed_size: int
    size: int
    extra: bytes
    attributes: int
    disk: int
    offset: int

    @property
    def has_descriptor(self) -> bool:
        """Whether sizes and CRC follow the data instead of preceding it, as streaming writers do."""
        return bool(self.flags & 0x0008)

    @property
    def is_utf8(self) -> bool:
        return bool(self.flags & 0x0800)


@dataclass(frozen=True, slots=True)
class Local:
    """The header right before an entry's data."""

    raw_name: bytes
    flags: int
    method: int
    stamp: tuple[int, int]
    crc: int
    packed_size: int
    size: int
    extra: bytes
    data_start: int


@dataclass(frozen=True, slots=True)
class Directory:
    """The central directory: its records, and where it starts."""

    records: tuple[Record, ...]
    start: int


def read_directory(file: BinaryIO, size: int, limits: Limits) -> Directory:
    """Return the central directory of a file of `size` bytes, or raise `Unreadable`.

    Only the last 22 bytes and then at most `limits.directory_bytes` are read, whatever the archive claims.
    """
    count, length, start = _read_end(file, size, limits)
    file.seek(start)
    table = file.read(length)
    records, at = [], 0
    for _ in range(count):
        record, at = _record(table, at)
        records.append(record)
    if at != length:
        raise Unreadable("directory_damaged", "The archive's directory holds more than the entries it announces.")
    return Directory(tuple(records), start)


def _read_end(file: BinaryIO, size: int, limits: Limits) -> tuple[int, int, int]:
    """Return how many entries there are, and how long the directory is and where it starts."""
    if size < END.size:
        raise Unreadable("not_a_zip", "This is not a ZIP archive: build it with 'bv-robot package build'.")
    end = size - END.size
    file.seek(end)
    mark, disk, first_disk, here, count, length, start, comment = END.unpack(file.read(END.size))
    if mark != END_MARK or comment:
        raise _why_no_end(file, size)
    _check_count(count, limits)
    if (disk, first_disk) != (0, 0) or here != count:
        raise Unreadable("many_parts", "The archive is one part of several. Build it as a single file.")
    _check_place(file, end, length, start)
    if length > limits.directory_bytes:
        raise Unreadable(
            "directory_too_big",
            f"The archive's directory takes {length:,} bytes; at most {limits.directory_bytes:,} are accepted.",
        )
    return count, length, start


def _check_count(count: int, limits: Limits) -> None:
    if count > limits.entries:
        at_least = "at least " if count == 0xFFFF else ""
        raise Unreadable(
            "too_many_entries",
            f"The archive has {at_least}{count:,} entries; at most {limits.entries:,} are accepted.",
        )
    if count == 0:
        raise Unreadable("empty_archive", "The archive is empty.")


def _check_place(file: BinaryIO, end: int, length: int, start: int) -> None:
    file.seek(max(0, end - 20))
    if file.read(4) == ZIP64_LOCATOR_MARK or 0xFFFFFFFF in (length, start):
        raise Unreadable("zip64", "The archive uses zip64 records, which no package needs. Build it without them.")
    if start + length != end:
        raise Unreadable(
            "stray_bytes", "There are bytes before the archive or within it that belong to no entry. Build it anew."
        )


def _why_no_end(file: BinaryIO, size: int) -> Unreadable:
    """Look for an end record that is not the last thing in the file, to say what is wrong."""
    start = max(0, size - END.size - LONGEST_COMMENT)
    file.seek(start)
    tail = file.read(END.size + LONGEST_COMMENT)
    at = tail.rfind(END_MARK)
    if at < 0:
        return Unreadable("not_a_zip", "This is not a ZIP archive, or its end is missing: was it cut off on the way?")
    if at + END.size > len(tail):
        return Unreadable("not_a_zip", "The archive's end is cut off: was the upload complete?")
    (comment,) = struct.unpack_from("<H", tail, at + 20)
    if at + END.size + comment == len(tail):
        return Unreadable("archive_comment", f"The archive carries a comment of {comment:,} bytes. Build it without.")
    return Unreadable("trailing_bytes", "There are bytes after the end of the archive. Build it anew.")


def _record(table: bytes, at: int) -> tuple[Record, int]:
    if at + CENTRAL.size > len(table):
        raise Unreadable("directory_damaged", "The archive's directory ends too early.")
    (
        mark, _, version, flags, method, time, date, crc, packed_size, size,
        name_length, extra_length, comment_length, disk, _, attributes, offset,
    ) = CENTRAL.unpack_from(table, at)  # fmt: skip
    name_at = at + CENTRAL.size
    extra_at = name_at + name_length
    after = extra_at + extra_length + comment_length
    if mark != CENTRAL_MARK or after > len(table):
        raise Unreadable("directory_damaged", "The archive's directory is damaged.")
    record = Record(
        raw_name=table[name_at:extra_at],
        version=version & 0xFF,
        flags=flags,
        method=method,
        stamp=(time, date),
        crc=crc,
        packed_size=packed_size,
        size=size,
        extra=table[extra_at : extra_at + extra_length],
        attributes=attributes,
        disk=disk,
        offset=offset,
    )
    return record, after


def read_local(file: BinaryIO, record: Record) -> Local | None:
    """Return the header before `record`'s data, or nothing where there is none."""
    file.seek(record.offset)
    head = file.read(LOCAL.size)
    if len(head) < LOCAL.size:
        return None
    mark, _, flags, method, time, date, crc, packed_size, size, name_length, extra_length = LOCAL.unpack(head)
    rest = file.read(name_length + extra_length)
    if mark != LOCAL_MARK or len(rest) < name_length + extra_length:
        return None
    return Local(
        raw_name=rest[:name_length],
        flags=flags,
        method=method,
        stamp=(time, date),
        crc=crc,
        packed_size=packed_size,
        size=size,
        extra=rest[name_length:],
        data_start=record.offset + LOCAL.size + len(rest),
    )


def read_descriptor(file: BinaryIO, at: int, record: Record) -> int | None:
    """Return how long the descriptor at `at` is, or nothing where it does not repeat what the directory says."""
    plain = struct.pack("<3L", record.crc, record.packed_size, record.size)
    file.seek(at)
    found = file.read(16)
    if found == DESCRIPTOR_MARK + plain:
        return 16
    return 12 if found[:12] == plain else None


def tricky_field(extra: bytes) -> str:
    """Return what is wrong with an extra field of an entry, or nothing."""
    at = 0
    while at < len(extra):
        if at + FIELD.size > len(extra):
            return "a damaged extra field"
        kind, length = FIELD.unpack_from(extra, at)
        at += FIELD.size + length
        if at > len(extra):
            return "a damaged extra field"
        if kind in TRICKY_FIELDS:
            return f"an extra field for {TRICKY_FIELDS[kind]}"
    return ""
