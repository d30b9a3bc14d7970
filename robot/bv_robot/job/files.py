"""Files of items and of file stores, read and written by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from bv_robot.job import connection

_BLOCK = 256 * 1024


class File:
    """What is known of a file: its ``name``, ``size`` in bytes, ``sha256`` and ``content_type``."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.name = str(told.get("path") or told.get("name"))
        self.size, self.sha256 = int(told["size_bytes"]), str(told["sha256"])
        self.content_type = str(told.get("content_type") or "")

    def __repr__(self) -> str:
        return f"<File {self.name} {self.size} bytes>"


class Files:
    """The files of one item, or of one store. In a store a name may be a path, such as ``2026/march.csv``.

    All calls raise ``Refused`` where the orchestrator says no: 404 for a file that is not there, 412 for one that is
    another by now; and ``NotConnected`` outside a robot. While the orchestrator cannot be reached they are made again
    for minutes.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def list(self, prefix: str = "") -> list[File]:
        """Return what there is, by name; in a store only what begins with ``prefix``."""
        found: Any = []
        after = ""
        while True:
            query = connection.query_of(prefix=prefix, after=after)
            told = connection.patiently("GET", f"{self._path}{query}", seconds=connection.PATIENCE)
            found += [File(one) for one in told["items"]]
            after = told.get("after") or ""
            if not after:
                return [file for file in found if file.name.startswith(prefix)]

    def read(self, name: str) -> bytes:
        """Return what is in a file."""
        import io

        def fetched() -> bytes:
            target = io.BytesIO()
            self._fetch(name, target)
            return target.getvalue()

        content: bytes = connection.insistently(fetched, seconds=connection.PATIENCE)
        return content

    def save(self, name: str, path: Any) -> None:
        """Save a file on this machine. It is there whole or not at all."""
        staged = f"{os.fspath(path)}.{os.getpid()}.part"

        def fetch() -> None:
            with open(staged, "wb") as target:
                self._fetch(name, target)

        try:
            connection.insistently(fetch, seconds=connection.PATIENCE)
            os.replace(staged, path)
        finally:
            if os.path.exists(staged):
                os.unlink(staged)

    def write(
        self, name: str, source: Any, content_type: str | None = None, *, if_sha256: str = "", if_new: bool = False
    ) -> File:
        """Write a file, in place of what there is under its name.

        Args:
            name: What it shall be called.
            source: The path of a file, or its bytes.
            content_type: Such as ``text/csv``; by default what the name suggests.
            if_sha256: Only if there is a file with this hash, such as that of an earlier ``write`` or ``list``.
            if_new: Only if there is none yet.
        """
        import mimetypes

        with _opened(source) as (file, size, sha256):
            guessed = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
            headers = {"Content-Type": guessed, "Content-Length": str(size), "X-Content-SHA256": sha256}
            headers.update(_conditions(if_sha256, if_new))

            def sent() -> File:
                file.seek(0)
                with connection.answered("PUT", self._address(name), file, headers) as answer:
                    return File(connection.json_of(answer))

            written: File = connection.insistently(sent, seconds=connection.PATIENCE)
            return written

    def delete(self, name: str, *, if_sha256: str = "") -> None:
        """Delete a file for good. With ``if_sha256`` only if it still has this hash."""

        def delete() -> None:
            with connection.answered("DELETE", self._address(name), headers=_conditions(if_sha256, False)):
                return

        connection.insistently(delete, seconds=connection.PATIENCE)

    def _address(self, name: str) -> str:
        return f"{self._path}/{connection.quoted(name, safe='/')}"

    def _fetch(self, name: str, target: IO[bytes]) -> None:
        with connection.answered("GET", self._address(name)) as answer:
            sha256 = _copy(answer, target)
            if sha256 != answer.headers.get("X-Content-SHA256", sha256):
                raise connection.Unreachable(f"The file {name} was changed on its way.")


def store(name: str) -> Files:
    """Return the files of a file store of the folders that this robot works for, by the store's name or id."""
    return Files(f"/runtime/file-stores/{connection.quoted(name)}/files")


def _conditions(if_sha256: str, if_new: bool) -> dict[str, str]:
    conditions = {"If-Match": f'"{if_sha256}"'} if if_sha256 else {}
    return {**conditions, "If-None-Match": "*"} if if_new else conditions


@contextmanager
def _opened(source: Any) -> Iterator[Any]:
    """Lend a path or bytes as an open file, with its size and hash."""
    import io

    is_content = isinstance(source, (bytes, bytearray, memoryview))
    with io.BytesIO(source) if is_content else open(source, "rb") as file:
        sha256 = _copy(file, None)
        yield file, file.tell(), sha256


def _copy(source: Any, target: IO[bytes] | None) -> str:
    import hashlib

    digest = hashlib.sha256()
    while block := source.read(_BLOCK):
        digest.update(block)
        if target is not None:
            target.write(block)
    return digest.hexdigest()
