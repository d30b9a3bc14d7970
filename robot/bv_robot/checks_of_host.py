"""What the doctor looks at on this machine: the home, the disk, the Pythons, the credential, the listener."""

from __future__ import annotations

import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from bv_robot import cgroups, config, environments, measuring, platforms, problems, spool
from bv_robot.cgroups import NotDelegated
from bv_robot.config import Config, ConfigError, Home
from bv_robot.findings import Finding
from bv_robot.spool import HomeLock

MEBIBYTE = 1024 * 1024
ADVICE = {
    "paused": "Take work again by: bv-robot resume",
    "stopping": "It ends once its work is done; start it again by: bv-robot run",
}
"""What to do about a listener that takes no work because somebody asked for that."""
WATCHED_ONLY = "memory of jobs is watched each second, processors are limited only roughly"


def check(home: Home, settings: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check everything on this machine that the robot needs."""
    yield check_home(home)
    yield check_disk(home, settings.disk_reserve_bytes)
    yield check_uv(environments.uv_binary())
    yield from check_robot(home, environ)


def check_robot(home: Home, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check what each robot of a machine has of its own."""
    yield check_credential(home, environ)
    yield check_listener(home)
    yield check_limits(home)


# The home


def check_home(home: Home) -> Finding:
    """Look whether the robot can write to its directory, and nobody else can look into it."""
    place = _nearest(home.root)
    if not place.is_dir() or not _can_write(place):
        advice = f"Give {place} to this user, or name another directory by --home or BV_ROBOT_HOME"
        return Finding.problem("home", f"{home.root} cannot be written", advice)
    if place != home.root:
        return Finding("home", f"{home.root}, not made yet")
    exposed = [path for path in (home.root, home.identity_file) if _others_can_look_into(path)]
    if exposed:
        named = " ".join(map(str, exposed))
        return Finding.warning("home", f"other users can look into {named}", f"chmod go= {named}")
    return Finding("home", f"{home.root}, for this user alone")


def _nearest(path: Path) -> Path:
    """The path itself, or the nearest above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def _can_write(directory: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False


def _others_can_look_into(path: Path) -> bool:
    if platforms.IS_WINDOWS or not path.exists():  # Windows keeps no such bits.
        return False
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def check_disk(home: Home, reserve: int) -> Finding:
    """Compare what is free with what the robot wants left free."""
    free = psutil.disk_usage(str(_nearest(home.root))).free
    told = f"{free // MEBIBYTE} MiB free, {reserve // MEBIBYTE} MiB wanted"
    advice = "Make room, for instance by bv-robot cleanup, or set disk_reserve_bytes lower"
    if free < reserve:
        return Finding.problem("disk", f"{told}: the robot takes no work", advice)
    if free < 2 * reserve:
        return Finding.warning("disk", f"{told}: soon the robot takes no work", advice)
    return Finding("disk", told)


# Pythons


def check_uv(binary: str) -> Finding:
    """List the Python versions that packages may ask for."""
    try:
        versions = environments.listed_pythons(binary)
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        advice = "Install the robot anew (pip install --force-reinstall uv); until then pip builds environments"
        own = ", ".join(environments.own_versions()) or "none"
        return Finding.warning("uv, Python", f"Python {own}; uv cannot be used: {error}", advice)
    told = f"uv {measuring.uv_version()} ({binary})"
    return Finding("uv, Python", f"{told}; Python {', '.join(versions)}")


# The robot


def check_credential(home: Home, environ: Mapping[str, str]) -> Finding:
    """Say whether the robot has a token or a key. Neither is ever shown."""
    try:
        identity = config.read_identity(home)
    except ConfigError as error:
        return Finding.problem("credential", str(error), "bv-robot enroll URL --key KEY")
    if identity:
        return Finding("credential", f"has a token, as {identity.name} at {identity.url}")
    if environ.get("ORCHESTRATOR_API_KEY"):
        return Finding("credential", "no token yet; there is an enrolment key, with which `run` enrols by itself")
    advice = "bv-robot enroll URL --key KEY, or set ORCHESTRATOR_API_KEY"
    return Finding.problem("credential", "neither a token nor an enrolment key", advice)


def check_listener(home: Home) -> Finding:
    """Say whether a listener runs, and what it last complained of."""
    try:
        is_running = home.lock_file.exists() and HomeLock(home.lock_file).is_held()
    except OSError as error:
        advice = "Run the doctor as the robot's own user"
        return Finding.warning("listener", f"cannot be told: {home.lock_file}: {error.strerror}", advice)
    if not is_running:
        return Finding("listener", "does not run; start it by: bv-robot run")
    note = spool.read_note(home.status_file)
    told = f"runs as process {note.get('pid', 'unknown')}"
    complaint = note.get("trouble") or note.get("problem")
    if complaint:
        advice = ADVICE.get(complaint) or problems.SENTENCES.get(complaint, "See what else is found here, and its log")
        return Finding.warning("listener", f"{told}; it says: {complaint}", advice)
    return Finding("listener", told)


def check_limits(home: Home) -> Finding:
    """Say by what jobs are held to their limits: that of the listener where it runs, else of this very process."""
    note = spool.read_note(home.status_file) if _runs(home) else {}
    try:
        group = cgroups.delegated(note.get("pid"))
    except NotDelegated as reason:
        return Finding("limits", f"{WATCHED_ONLY}: {reason}", f"To have the kernel keep them: {cgroups.ADVICE}")
    return Finding("limits", f"memory and processors of jobs are limited by control groups in {group}")


def _runs(home: Home) -> bool:
    try:
        return home.lock_file.exists() and HomeLock(home.lock_file).is_held()
    except OSError:
        return False
