"""Where the embedded servers keep things, and who may reach them.

Sockets live in a short folder below the temporary folder: the kernel limits a socket's path to about 104 bytes, and a
checkout may lie deep. Data lives in the data directory, except for root with a private checkout: PostgreSQL refuses to
run as root, and the account it is given instead could not reach the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from pathlib import Path

from orchestrator.embedded.accounts import Account
from orchestrator.embedded.errors import EmbeddedError

DATABASE = "bv"
DATABASE_PORT = 5432  # Part of the socket's name; said everywhere, so that a PGPORT changes nothing.
BROKER_SOCKET = "valkey.sock"
TEMPORARY = Path("/tmp")  # Fixed: TMPDIR differs between processes and is too long on macOS
PUBLIC = Path("/var/lib/bv-orchestrator")


def socket_folder(data_dir: Path) -> Path:
    """Return the folder of a data directory's sockets: the same for every process, and short."""
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()
    return TEMPORARY / f"bv-{digest[:12]}"


def make_data_dir(data_dir: Path) -> Path:
    """Make a data directory where there is none, closed to others as far as that is possible.

    Raises ``EmbeddedError`` where nothing can be kept there.
    """
    # Root's server runs under another account, which must be able to pass through.
    try:
        data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(f"{data_dir} cannot be made a data directory: {error.strerror}.") from error
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise EmbeddedError(f"{data_dir} is not writable for this user. Choose another data directory.")
    return data_dir


def make_socket_folder(data_dir: Path, account: Account) -> Path:
    """Make the folder of the sockets for one account alone; refuse one that somebody else has put there."""
    folder = socket_folder(data_dir)
    try:
        folder.mkdir(mode=0o700)
        account.give(folder)
    except FileExistsError:
        _require_own_folder(folder, account)
    return folder


def _require_own_folder(folder: Path, account: Account) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {account.uid, os.geteuid()}:
        raise EmbeddedError(f"{folder} belongs to somebody else. Remove it, or choose another data directory.")
    if found.st_uid != account.uid:
        account.give(folder)  # Made by root, and interrupted before it was handed over.
    if stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)


def remove_socket_folder(data_dir: Path) -> None:
    """Remove the folder of the sockets, unless a server still has its own there."""
    with contextlib.suppress(OSError):
        socket_folder(data_dir).rmdir()


def is_public(path: Path) -> bool:
    """Say whether every account may pass through all folders that lead to ``path``, itself included if it is one."""
    resolved = path.resolve()
    folders = [resolved, *resolved.parents] if resolved.is_dir() else list(resolved.parents)
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in folders)


def cluster_folder(data_dir: Path, account: Account) -> Path:
    """Return the folder of the database's files; a private data directory of root's gets a link to a public place."""
    folder = data_dir / "postgres"
    if account.is_other and not folder.exists() and not folder.is_symlink() and not is_public(data_dir):
        folder.symlink_to(public_folder("data") / secrets.token_hex(8))
    return folder.resolve()  # The other account cannot follow a link that lies in a private folder.


def public_folder(name: str) -> Path:
    """Make a folder that belongs to root and that every account may pass through."""
    folder = PUBLIC / name
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        PUBLIC.chmod(0o755)
        folder.chmod(0o755)
    except OSError as error:
        raise EmbeddedError(
            f"Root cannot run PostgreSQL from a private folder, and {folder} cannot be made ({error.strerror}). "
            "Set DATABASE_URL, or run as an ordinary user, or from a folder that others may enter."
        ) from error
    return folder
