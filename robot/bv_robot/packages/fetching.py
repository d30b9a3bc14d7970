"""The robot's cache of packages: fetched once, verified on every use."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bv_robot import api, client, locks, platforms
from bv_robot.client import Client


class WrongPackage(Exception):
    """What the server sends is not the package the job was created for."""


def fetch(
    http: Client, package: dict[str, Any], cache: Path, *, pause: Callable[[], None], check: Callable[[], None]
) -> Path:
    """Return the verified file of a package version, downloading it where it is missing or damaged.

    Args:
        package: The lease's package: ``sha256``, ``size``, ``download_url``.
        pause: Called while another job downloads the same file; it may raise to give up.
        check: Called between two blocks of the download; it may raise to give up.

    Raises:
        WrongPackage: when the bytes have another hash than the job's package, or the server does not have it.
        Trouble: when the server cannot be reached; trying again is worth while.
    """
    path = path_of(cache, package["sha256"])
    with locks.held(lock_of(cache, package["sha256"]), pause=pause):
        if _hash_of(path) != package["sha256"]:
            _download(http, package, path, check)
        os.utime(path)  # Pruning goes by the last use.
    return path


def path_of(cache: Path, sha256: str) -> Path:
    return cache / f"{sha256}.bvpackage"


def lock_of(cache: Path, sha256: str) -> Path:
    """The file that is held while a package is downloaded or removed."""
    return cache / f"{sha256}.lock"


def hash_in_name(file: Path) -> str | None:
    """The hash of the package that a file of the cache is, or was to become; None for other files."""
    found = re.fullmatch(r"\.?([0-9a-f]{64})\.bvpackage(\.[0-9a-f]+)?", file.name)
    return found[1] if found else None


def _download(http: Client, package: dict[str, Any], path: Path, check: Callable[[], None]) -> None:
    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        found = _write(http, package["download_url"], staged, limit=int(package["size"]), check=check)
        if found != package["sha256"]:
            raise WrongPackage(f"{package['name']} {package['version']} has SHA-256 {found}, not {package['sha256']}")
        staged.replace(path)
        platforms.sync_directory(path.parent)
    except (client.Unknown, client.Forbidden) as refusal:
        raise WrongPackage(f"{package['name']} {package['version']} cannot be downloaded: {refusal}") from refusal
    finally:
        staged.unlink(missing_ok=True)


def _write(http: Client, url: str, staged: Path, *, limit: int, check: Callable[[], None]) -> str:
    digest, size = hashlib.sha256(), 0
    with staged.open("xb") as file:
        for block in api.download_package(http, url):
            check()
            digest.update(block)
            file.write(block)
            size += len(block)
            if size > limit:
                raise WrongPackage(f"the download is larger than the {limit} bytes announced")
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _hash_of(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
