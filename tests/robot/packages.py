"""Packages for the robot's tests, made in memory."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from textwrap import dedent

MANIFEST = """\
project:
  name: invoices
  version: "1.0.0"
  entrypoints:
    - name: main
      command: main:main
      default: true
"""


def package(source: str = "", *, lock: str = "", **files: str) -> bytes:
    """A package with ``main.py`` as given and, by name with ``__`` for the dot, other files."""
    members = {
        "bvproject.yaml": MANIFEST,
        "main.py": dedent(source),
        "requirements.lock": lock,
        "manifest.json": "{}",
        "entry-points.json": '{"entryPoints": []}',
    }
    members |= {name.replace("__", "."): dedent(text) for name, text in files.items()}
    return zipped(members)


def zipped(members: dict[str, str]) -> bytes:
    """A ZIP of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def wheel(directory: Path, name: str = "tinylib", version: str = "1.0") -> Path:
    """A wheel of one module that holds ``VERSION``, so that no test needs a registry."""
    info = f"{name}-{version}.dist-info"
    members = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
    }
    path = directory / f"{name}-{version}-py3-none-any.whl"
    path.write_bytes(zipped(members))
    return path
