"""Opening an archive: all hazards checked, the sound entries left to read."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from apps.packages.rules.archives import entries, layout, listing, names
from apps.packages.rules.archives.contents import Allowance, Damaged, pieces
from apps.packages.rules.archives.entries import Entry
from apps.packages.rules.archives.layout import Directory, Local, Record, Unreadable
from apps.packages.rules.limits import MIB, Limits
from apps.packages.rules.problems import Findings

Source = str | Path | BinaryIO


class TooBig(Exception):
    """A file of the package is bigger than whoever wanted to read it takes."""


class Archive:
    """An uploaded archive. Lists what is in it and reads single files; nothing is ever unpacked to disk.

    `names` are the files that may be read. `listed` also has those refused for what they are, so that one mistake is
    not told twice. Sizes are bytes; `unpacked_size` is what the archive announces, and true once `verify` was happy.
    """

    def __init__(self, file: BinaryIO, sha256: str, size: int, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._entries: dict[str, Entry] = {}
        self.sha256 = sha256
        self.size = size
        self.unpacked_size = 0
        self.entry_count = 0
        self.listed: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        return [name for name, entry in self._entries.items() if not entry.is_folder]

    def has(self, name: str) -> bool:
        """Whether there is a file of this name that may be read."""
        return name in self._entries

    def read(self, name: str, most: int) -> bytes:
        """Return the content of a file, or raise `TooBig` beyond `most` bytes, `Damaged` or `KeyError`."""
        entry = self._entries[name]
        if entry.size > most:
            raise TooBig(f"The file has {entry.size:,} bytes; at most {most:,} are accepted.")
        return b"".join(pieces(self._file, entry, Allowance(self._limits.cpu_seconds)))

    def list_entries(self, findings: Findings) -> None:
        """Fill in the entries, telling `findings` what is wrong. Only sound ones can be read afterwards."""
        try:
            directory = layout.read_directory(self._file, self.size, self._limits)
            self._adopt(directory, findings)
        except Unreadable as refusal:
            self._entries.clear()
            findings.error(refusal.code, str(refusal))

    def _adopt(self, directory: Directory, findings: Findings) -> None:
        named = {record: _name(record, findings, self._limits) for record in directory.records}
        self.entry_count = len(directory.records)
        self.unpacked_size = sum(record.size for record in directory.records)
        self.listed = frozenset(filter(None, named.values()))
        for name, code, message in listing.clashes(filter(None, named.values())):
            findings.error(code, message, name)
        headers = {record: _local(self._file, record) for record in directory.records}
        listing.check_extents(self._file, directory, {record: head.data_start for record, head in headers.items()})
        self._check_totals()
        for record, name in named.items():
            if name and self._is_sound(record, headers[record], name, findings):
                self._entries.setdefault(name, _entry(record, headers[record], name))

    def _check_totals(self) -> None:
        if self.unpacked_size > self._limits.unpacked_bytes:
            raise Unreadable(
                "unpacked_too_big",
                f"The archive unpacks to {self.unpacked_size / MIB:,.0f} MiB; "
                f"at most {self._limits.unpacked_bytes / MIB:,.0f} MiB are accepted.",
            )
        if self.unpacked_size > self._limits.ratio * self.size:
            raise Unreadable(
                "ratio",
                f"The archive unpacks to more than {self._limits.ratio} times its size, as a zip bomb would. "
                "If it is real, store big files without compression.",
            )

    def _is_sound(self, record: Record, head: Local, name: str, findings: Findings) -> bool:
        troubles = [*entries.record_troubles(record, name, self._limits), *entries.local_troubles(record, head)]
        for code, message in troubles:
            findings.error(code, message, name)
        return not troubles

    def verify(self, findings: Findings) -> None:
        """Unpack every entry once, into nothing, to see that sizes and checksums are true."""
        allowance = Allowance(self._limits.cpu_seconds)
        for entry in sorted(self._entries.values(), key=lambda one: one.data_start):
            try:
                for _ in pieces(self._file, entry, allowance):
                    pass
            except Damaged as damage:
                findings.error(damage.code, str(damage), entry.name)
                del self._entries[entry.name]
                if damage.code == "too_slow":
                    return


def _name(record: Record, findings: Findings, limits: Limits) -> str:
    """Return the name of an entry, or nothing (and tell `findings`) where it is not a safe one."""
    try:
        name = names.decoded(record.raw_name, record.is_utf8)
    except ValueError as error:
        findings.error("unsafe_name", str(error), record.raw_name.decode("latin-1"))
        return ""
    wrong = names.problem(name, limits)
    if wrong:
        findings.error("unsafe_name", wrong, name)
        return ""
    return name


def _local(file: BinaryIO, record: Record) -> Local:
    head = layout.read_local(file, record)
    if head is None:
        raise Unreadable("header_differs", "The archive's directory points at places where no file is. Build it anew.")
    return head


def _entry(record: Record, head: Local, name: str) -> Entry:
    return Entry(name, record.method, record.crc, record.packed_size, record.size, head.data_start)


def digest(file: BinaryIO, limits: Limits) -> tuple[str, int]:
    """Return SHA-256 (hex) and size of a file, reading a piece at a time and no further than is accepted.

    A size above `limits.packed_bytes` means "at least this"; the hash is then worth nothing.
    """
    sha256, size = hashlib.sha256(), 0
    file.seek(0)
    while size <= limits.packed_bytes and (piece := file.read(MIB)):
        sha256.update(piece)
        size += len(piece)
    return sha256.hexdigest(), size


@contextmanager
def opened(source: Source, limits: Limits, findings: Findings) -> Iterator[Archive]:
    """Open an uploaded file (a path, or a seekable binary file, which is left open) and check all that can be wrong.

    Whatever is wrong goes to `findings`; the archive then simply has fewer files to read, down to none. Raises only
    `OSError`, from the file itself.
    """
    if isinstance(source, str | Path):
        with Path(source).open("rb") as file:
            yield _checked(file, limits, findings)
    else:
        yield _checked(source, limits, findings)


def _checked(file: BinaryIO, limits: Limits, findings: Findings) -> Archive:
    sha256, size = digest(file, limits)
    archive = Archive(file, sha256, size, limits)
    if size > limits.packed_bytes:
        findings.error("too_big", f"The file is bigger than the {limits.packed_bytes / MIB:,.0f} MiB accepted.")
        return archive
    archive.list_entries(findings)
    archive.verify(findings)
    return archive
