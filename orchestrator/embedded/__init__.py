"""The embedded default: a PostgreSQL and a Valkey of this data directory's own, for when no address of either is given.

Importing this package costs nothing and starts nothing; settings do so in every process.
"""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from orchestrator.embedded import places
from orchestrator.embedded.errors import EmbeddedError

__all__ = ["EmbeddedError", "EmbeddedUrls", "default_data_dir", "is_given", "master_key", "secret_key", "urls"]

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class EmbeddedUrls:
    """Where the embedded servers of one data directory answer while they run."""

    database: str
    broker: str


def default_data_dir() -> Path:
    """Return the data directory in force: ``BV_DATA_DIR``, or else ``.run`` in the checkout."""
    return Path(os.environ.get("BV_DATA_DIR") or CHECKOUT / ".run").resolve()


def urls(data_dir: Path) -> EmbeddedUrls:
    """Return the addresses that belong to a data directory, without touching anything."""
    sockets = places.socket_folder(data_dir)
    return EmbeddedUrls(
        database=f"postgresql://{places.DATABASE}@/{places.DATABASE}?host={sockets}&port={places.DATABASE_PORT}",
        broker=f"redis+socket://{sockets / places.BROKER_SOCKET}?virtual_host=0",
    )


def is_given(setting: str) -> bool:
    """Say whether the environment names this setting, by value or by ``…_FILE``."""
    return bool(os.environ.get(setting) or os.environ.get(f"{setting}_FILE"))


def secret_key(data_dir: Path) -> str:
    """Return the secret key that this data directory keeps; the first call makes it.

    Only for the embedded default. Several first calls at once agree on one key.
    """
    path = places.make_data_dir(data_dir) / "secret_key"
    if not path.exists():
        _write_once(path, secrets.token_urlsafe(64))
    return path.read_text().strip()


def master_key(data_dir: Path) -> str:
    """Return the key that wraps those of tenants, which this data directory keeps; the first call makes it."""
    path = places.make_data_dir(data_dir) / "master_key"
    if not path.exists():
        _write_once(path, base64.b64encode(secrets.token_bytes(32)).decode())
    return path.read_text().strip()


def _write_once(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # Another process was first; its key is the key.
    finally:
        draft.unlink()
