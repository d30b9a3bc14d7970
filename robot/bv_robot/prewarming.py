"""``bv-robot prewarm``: builds the environments of what this robot may run, before a job waits for them."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bv_robot import api, config, environments, telling
from bv_robot.client import Client, Refusal
from bv_robot.config import Config, ConfigError, Home
from bv_robot.environments import EnvironmentFailed, Workshop
from bv_robot.packages import archives, checking, fetching
from bv_robot.packages.archives import UnsafeArchive
from bv_robot.packages.fetching import WrongPackage

PAUSE = 0.1


@dataclass(frozen=True)
class Wanted:
    """A package, and the processes that would run it now."""

    package: dict[str, Any]
    processes: list[str]

    def __str__(self) -> str:
        return f"{self.package['name']} {self.package['version']} ({', '.join(self.processes)})"


def prewarm(home: Home, processes: list[str]) -> bool:
    """Fetch packages and build their environments, for some processes (names or ids) or all; say how it goes.

    Several robots and jobs may do so at once: whoever is first builds, the others wait.

    Returns:
        Whether everything that was asked for is ready.

    Raises:
        ConfigError: when this robot is not enrolled.
        Trouble: when the orchestrator cannot be reached or refuses.
    """
    identity = config.read_identity(home)
    if identity is None:
        raise ConfigError("This robot is not enrolled, so nobody can say what it runs: bv-robot enroll URL --key KEY")
    home.make()
    settings = config.load(home, os.environ)
    http = Client(identity.url, token=identity.api_token, ca_file=settings.ca_file)
    items = api.packages_to_run(http, processes)
    unknown = [name for name in processes if not any(name in item["process"].values() for item in items)]
    for name in unknown:
        telling.complain(f"{name}: this robot may not run such a process, or it has no package now")
    ready = [_is_made_ready(home, settings, http, wanted) for wanted in _wanted(items)]
    failed = len(unknown) + ready.count(False)
    told = f"{ready.count(True)} ready, {failed} failed"
    if not items and not unknown:
        told = "Nothing to prepare: no process that this robot may run has a package now"
    telling.say(told, ready=ready.count(True), failed=failed)
    return not failed


def _wanted(items: list[dict[str, Any]]) -> Iterator[Wanted]:
    """Each package once, however many processes run it."""
    found: dict[str, Wanted] = {}
    for item in items:
        wanted = found.setdefault(item["package"]["sha256"], Wanted(item["package"], []))
        wanted.processes.append(str(item["process"]["name"]))
    yield from found.values()


def _is_made_ready(home: Home, settings: Config, http: Client, wanted: Wanted) -> bool:
    telling.say(f"{wanted}: preparing", package=wanted.package["name"], version=wanted.package["version"])
    try:
        python = _make_ready(home, settings, http, wanted)
    except (WrongPackage, UnsafeArchive, EnvironmentFailed, Refusal) as error:
        telling.complain(f"{wanted}: {error}")
        return False
    telling.say(f"{wanted}: ready", environment=str(python.parent.parent))
    return True


def _make_ready(home: Home, settings: Config, http: Client, wanted: Wanted) -> Path:
    archive = fetching.fetch(http, wanted.package, home.packages, pause=_pause, check=_go_on)
    workshop = Workshop(
        home.environments,
        settings.environment_seconds,
        _pause,
        lambda step: telling.say(f"{wanted}: {step}"),
        downloads_python=settings.python_downloads,
    )
    with tempfile.TemporaryDirectory(prefix="prewarm-", dir=home.root) as directory:
        project = archives.extract(archive, Path(directory))
        version = str(wanted.package.get("python_version") or "")
        return environments.prepare(project / checking.LOCK, version, workshop)


def _pause() -> None:
    time.sleep(PAUSE)


def _go_on() -> None:
    """Nobody asks a prewarming to end but by a signal, which ends it anyway."""
