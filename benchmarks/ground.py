"""The ground a benchmark runs on: a cluster of its own with fsync on, roles, and the rows to work with."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import django

from orchestrator import embedded

if TYPE_CHECKING:
    from tests.plants import Plant


@contextmanager
def ground(*names: str, web: tuple[str, ...] = (), **settings: str) -> Iterator[Plant]:
    """Set Django up on a new data directory and run these roles there for the time of a block."""
    folder = Path(tempfile.mkdtemp(prefix="bv-benchmark-"))
    folder.chmod(0o711)  # PostgreSQL's account must pass through where we are root.
    _set_django_up(folder)
    from tests.plants import Plant  # needs Django

    plant = Plant(folder, **{"LOG_LEVEL": "INFO", **settings})
    plant.supervisor.guardian.remove_at_end(folder)
    try:
        plant.start(*names, web=web)
        yield plant
    finally:
        plant.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _set_django_up(folder: Path) -> None:
    urls = embedded.urls(folder)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
        "BV_DATA_DIR": str(folder),
        "DATABASE_URL": urls.database,
        "CELERY_BROKER_URL": urls.broker,
        "FILES_DIR": str(folder / "files"),
        "METRICS_DIR": str(folder / "metrics"),
        "SECRET_KEY": secrets.token_urlsafe(48),
        "MASTER_KEYS": f"benchmark:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        # A benchmark asks as fast as it can. A setting of one's own counts all the same, to see what counting costs.
        "RATE_LIMITS": os.environ.get("RATE_LIMITS", "off"),
    }
    os.environ.pop("LIVE_URL", None)
    django.setup()
