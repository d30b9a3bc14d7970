"""Files that a job leaves behind for people and programs."""

from __future__ import annotations

import os
from typing import IO, Any

from bv_robot.job import channel

_BLOCK = 256 * 1024


def artefact(source: Any, name: str | None = None, content_type: str | None = None) -> None:
    """Keep a file beside the job's result. It is copied at once and uploaded by the robot, whatever becomes of the job.

    Args:
        source: The path of a file, or its bytes.
        name: What it is called; by default the file's own name. A name counts once per execution.
        content_type: Such as ``text/csv``; by default what the name suggests.

    Raises:
        ValueError: when bytes have no name, or the name has a directory in it.
        OSError: when the file cannot be read, or the robot's disk has no room for the copy.
    """
    is_content = isinstance(source, (bytes, bytearray, memoryview))
    called = name or ("" if is_content else os.path.basename(os.fspath(source)))
    if called in {"", ".", ".."} or not called.isprintable() or "/" in called or "\\" in called:
        raise ValueError(f"An artefact needs a plain file name, not {called!r}.")
    place = channel.directory()
    if not place:
        return
    if is_content:
        import io

        _keep(io.BytesIO(source), place, called, content_type)
        return
    with open(source, "rb") as file:
        _keep(file, place, called, content_type)


def _keep(source: IO[bytes], place: str, name: str, content_type: str | None) -> None:
    import mimetypes

    folder = os.path.join(place, "artefacts")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path, descriptor = _new_file(folder)
    try:
        with open(descriptor, "wb") as copy:
            size, sha256 = _copy(source, copy)
        guessed = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        about = {"name": name, "content_type": guessed, "size": size, "sha256": sha256}
        # The robot looks for this file, so it comes last.
        channel.write_json(f"{path}.json", about)
    except BaseException:
        os.unlink(f"{path}.data")
        raise


def _new_file(folder: str) -> tuple[str, int]:
    """Make the next ``<n>.data`` that nobody else has, in whichever process of the job this is."""
    number = len(os.listdir(folder))
    while True:
        number += 1
        path = os.path.join(folder, str(number))
        try:
            return path, os.open(
                f"{path}.data", os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600
            )
        except FileExistsError:
            continue


def _copy(source: IO[bytes], copy: IO[bytes]) -> tuple[int, str]:
    import hashlib

    digest, size = hashlib.sha256(), 0
    while block := source.read(_BLOCK):
        copy.write(block)
        digest.update(block)
        size += len(block)
    copy.flush()
    os.fsync(copy.fileno())
    return size, digest.hexdigest()
