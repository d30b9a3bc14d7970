"""ZIP archives written byte by byte, so that any field of them can be a lie."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass, field

from apps.packages.rules import archives
from apps.packages.rules.limits import Limits
from apps.packages.rules.problems import Findings

STAMP = (0x6000, 0x5A21)  # some time, some day
PROJECT = """\
project:
  name: demo
  version: 1.0.0
  entrypoints:
    - name: main
      command: main:run
"""
SOURCE = "def run():\n    return 1\n"


@dataclass
class Member:
    """One entry. `central` and `local` replace single fields of the two headers."""

    name: bytes = b"main.py"
    data: bytes = SOURCE.encode()
    method: int = 8
    flags: int = 0
    mode: int = 0o100644
    has_descriptor: bool = False
    extra: bytes = b""
    local_extra: bytes = b""
    central: dict[str, object] = field(default_factory=dict)
    local: dict[str, object] = field(default_factory=dict)
    packed: bytes | None = None
    gap: bytes = b""  # bytes after it that belong to nobody

    def content(self) -> bytes:
        if self.packed is not None:
            return self.packed
        return self.data if self.method == 0 else deflated(self.data)

    def facts(self) -> dict[str, object]:
        return {
            "name": self.name,
            "flags": self.flags | (8 if self.has_descriptor else 0),
            "method": self.method,
            "crc": zlib.crc32(self.data),
            "packed_size": len(self.content()),
            "size": len(self.data),
        }


def deflated(data: bytes) -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return engine.compress(data) + engine.flush()


def local_header(member: Member) -> bytes:
    facts = member.facts()
    if member.has_descriptor:
        facts |= {"crc": 0, "packed_size": 0, "size": 0}
    facts |= member.local
    head = struct.pack(
        "<4s5H3L2H",
        b"PK\3\4", 20, facts["flags"], facts["method"], *STAMP,
        facts["crc"], facts["packed_size"], facts["size"], len(facts["name"]), len(member.local_extra),
    )  # fmt: skip
    return head + facts["name"] + member.local_extra


def descriptor(member: Member) -> bytes:
    facts = member.facts()
    return b"PK\7\x08" + struct.pack("<3L", facts["crc"], facts["packed_size"], facts["size"])


def central_record(member: Member, offset: int) -> bytes:
    facts = member.facts() | {"version": 20, "attributes": member.mode << 16, "disk": 0, "offset": offset}
    facts |= member.central
    head = struct.pack(
        "<4s6H3L5H2L",
        b"PK\1\2", 0x0314, facts["version"], facts["flags"], facts["method"], *STAMP,
        facts["crc"], facts["packed_size"], facts["size"], len(facts["name"]), len(member.extra), 0,
        facts["disk"], 0, facts["attributes"], facts["offset"],
    )  # fmt: skip
    return head + facts["name"] + member.extra


def end_record(entries: int, size: int, offset: int, comment: bytes = b"", **lies: int) -> bytes:
    facts = {"disk": 0, "first_disk": 0, "here": entries, "count": entries, "length": size, "start": offset} | lies
    head = struct.pack("<4s4H2LH", b"PK\5\6", *facts.values(), len(comment))
    return head + comment


def archive(*members: Member, prefix: bytes = b"", before_end: bytes = b"", comment: bytes = b"", **end: int) -> bytes:
    """Return an archive of `members`; `end` replaces fields of the end record."""
    body, directory = prefix, b""
    for member in members:
        directory += central_record(member, len(body))
        body += local_header(member) + member.content()
        body += (descriptor(member) if member.has_descriptor else b"") + member.gap
    return body + directory + before_end + end_record(len(members), len(directory), len(body), comment, **end)


def packed(files: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return an archive as Python's own `zipfile` writes it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as package:
        for name, content in files.items():
            package.writestr(name, content)
    return file.getvalue()


def package(files: dict[str, str | bytes] | None = None, **project: str) -> bytes:
    """Return a package that is in order, but for the `files` that are added or replaced."""
    return packed({"bvproject.yaml": PROJECT, "main.py": SOURCE, "requirements.lock": ""} | (files or {}))


def inspected(content: bytes, **limits: float) -> tuple[list[str], list[str]]:
    """Return the codes of what is wrong with an archive, and the names that may be read."""
    findings = Findings(1_000)
    with archives.opened(io.BytesIO(content), Limits(**limits), findings) as opened:
        return [problem.code for problem in findings.errors], opened.names


def codes(content: bytes, **limits: float) -> list[str]:
    """Return the codes of what is wrong with an archive."""
    return inspected(content, **limits)[0]
