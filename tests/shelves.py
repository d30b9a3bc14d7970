"""A shelf of the test's own, and what lies on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def of_its_own(settings: Any, name: str, place: Path) -> Path:
    """Have the files of one of the storages lie in ``place``."""
    ours = settings.STORAGES[name]
    storage = ours | {"OPTIONS": ours["OPTIONS"] | {"location": place}}
    settings.STORAGES = settings.STORAGES | {name: storage}
    return place


def files_in(place: Path) -> list[Path]:
    """All files there are."""
    return [path for path in place.rglob("*") if path.is_file()]


@pytest.fixture
def shelf(settings: Any, tmp_path: Path) -> Path:
    """Where the files of items and stores lie."""
    return of_its_own(settings, "files", tmp_path)
