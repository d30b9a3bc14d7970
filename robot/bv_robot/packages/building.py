"""Building a ``.bvpackage``: the same files give the same bytes, on any day and any machine."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bv_robot import environments, spool
from bv_robot.packages import archives, checking, manifests
from bv_robot.packages.checking import LOCK
from bv_robot.packages.manifests import Manifest

DATE = (2020, 1, 1, 0, 0, 0)
ORDER = (manifests.FILE, "main.py", LOCK, "manifest.json", "entry-points.json")
"""What comes first in the archive; everything else follows by name."""
LOWEST_PYTHON = re.compile(r"(?:^|>=|~=|==)\s*(\d+(?:\.\d+){0,2})")
"""The version a lock is made for, where a project asks for one (3.11) or for a range (>=3.11,<3.14)."""
NO_REQUIREMENTS = b"# Pinned requirements of this package.\n# It needs none.\n"


class NotBuilt(Exception):
    """The project has problems, one per line of the message."""


@dataclass(frozen=True)
class Built:
    file: Path
    sha256: str


def build(folder: Path, output: Path) -> Built:
    """Build the package of a project into the folder ``output``.

    Raises:
        NotBuilt: naming every problem.
    """
    if problems := checking.check_folder(folder):
        raise NotBuilt("\n".join(map(str, sorted(problems))))
    manifest = manifests.read(folder)
    members = {path.relative_to(folder).as_posix(): path.read_bytes() for path in checking.files_of(folder, manifest)}
    members.setdefault(LOCK, _lock(manifest))
    members["manifest.json"] = _json(_manifest(manifest))
    members["entry-points.json"] = _json(_entry_points(folder, manifest))
    content = _archive(members)
    output.mkdir(parents=True, exist_ok=True)
    file = output / f"{manifest.name}_{manifest.version}.bvpackage"
    spool.write_file(file, content)
    return Built(file, hashlib.sha256(content).hexdigest())


def _archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name in sorted(members, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name)):
            entry = zipfile.ZipInfo(name, DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            package.writestr(entry, members[name])
        try:
            archives.check_names(package.infolist())
        except archives.UnsafeArchive as unsafe:
            raise NotBuilt(str(unsafe)) from unsafe
    return buffer.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"


def _manifest(manifest: Manifest) -> dict[str, str]:
    return {
        "name": manifest.name,
        "version": manifest.version,
        "type": manifest.kind,
        "entrypoint": manifest.default_entrypoint().command,
        "venv": manifest.venv,
        "python_version": manifest.python_version,
    }


def _entry_points(folder: Path, manifest: Manifest) -> dict[str, Any]:
    """The dialect that every orchestrator reads: ``entryPoints`` with a file and a function."""
    listed = []
    for entrypoint in manifest.entrypoints:
        module, _, function = entrypoint.command.partition(":")
        facts: dict[str, Any] = {"name": entrypoint.name, "command": entrypoint.command, "type": manifest.kind}
        facts |= {"default": entrypoint.is_default, "filePath": entrypoint.command}
        if function:
            facts |= {"filePath": checking.module_file(folder, module), "function": function}
        listed.append(facts)
    return {"entryPoints": listed}


def _lock(manifest: Manifest) -> bytes:
    """Pin the project's dependencies with uv; a project that names none gets an empty lock."""
    if not manifest.dependencies:
        return NO_REQUIREMENTS
    command = [environments.uv_binary(), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "-"]
    if lowest := LOWEST_PYTHON.search(manifest.python_version):
        command += ["--python-version", lowest[1]]
    wanted = "\n".join(manifest.dependencies).encode()
    done = subprocess.run(command, input=wanted, capture_output=True, check=False)
    if done.returncode != 0:
        raise NotBuilt(f"{LOCK}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
