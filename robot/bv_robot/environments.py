"""Virtual environments for packages: one per lock file and Python, built once, by uv or else by pip."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import uv

from bv_robot import itself, locks, platforms, spool

SPECIFIER = re.compile(r"[0-9.*<>=!~,\s]+")
"""What a package may ask for of a Python: 3.11, 3.11.4, >=3.10,<3.13. Anything else uv might take for a path."""
REASON = re.compile(r"^\s*(?:error:|ERROR:|×)\s*(.+)$", re.MULTILINE)
CAUSE = re.compile(r"^\s*(?:╰─▶|Caused by:|cause:)\s*(.+)$", re.MULTILINE)
UNBROKEN = {"COLUMNS": "2000"}
"""Have installers leave their sentences in one line each."""
CANNOT_RUN = 127
ANY = ">=3.8"
"""What jobs can do with where their package does not say."""
UV_SECONDS = 30.0
LAST_LINES = 30
"""Of what an installer said, so many lines are told; the reason is at its end."""


class EnvironmentFailed(Exception):
    """No environment could be made. The message is the installer's own."""


@dataclass(frozen=True)
class Workshop:
    """What building environments needs, the same for every job.

    Attributes:
        directory: Where environments are kept.
        seconds: How long one may take to build.
        pause: Called about ten times a second while waiting; it may raise to give the job up.
        say: Told each step, for the job's log.
        claim: Given the environment's key while its lock is held. What is noted then keeps it from being pruned.
        downloads_python: Whether a Python that this machine lacks may be fetched.
    """

    directory: Path
    seconds: float
    pause: Callable[[], None]
    say: Callable[[str], None]
    claim: Callable[[str], None] = lambda key: None
    downloads_python: bool = False


def prepare(lock_file: Path, python_version: str, workshop: Workshop) -> Path:
    """Return the interpreter of an environment with exactly what the lock names, building it where it is missing.

    Two jobs may ask at once: one builds, the other waits. A build that fails leaves nothing behind.

    Raises:
        EnvironmentFailed: when the Python asked for is not on this machine, or the installer failed.
    """
    base = base_python(python_version, workshop)
    requirements = requirements_of(lock_file)
    directory = workshop.directory / key_of(requirements, base)
    with locks.held(lock_of(directory), pause=workshop.pause):
        if not _mark_of(directory).exists():
            _build(directory, base, lock_file if requirements else None, workshop)
        os.utime(_mark_of(directory))
        workshop.claim(directory.name)
    return platforms.python_of(directory)


def lock_of(directory: Path) -> Path:
    """The file that is held while an environment is built or removed."""
    return directory.with_suffix(".lock")


def count(directory: Path) -> int:
    """How many complete environments are kept in a directory."""
    if not directory.is_dir():
        return 0
    return sum(1 for made in directory.iterdir() if made.is_dir() and _mark_of(made).exists())


def last_use(directory: Path) -> float:
    """When an environment was last asked for, in seconds of the wall clock; 0 for one that is not complete."""
    try:
        return _mark_of(directory).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def spoil(directory: Path) -> None:
    """Have an environment count as not built."""
    _mark_of(directory).unlink(missing_ok=True)


def _mark_of(directory: Path) -> Path:
    return directory / "complete.json"


def requirements_of(lock_file: Path) -> list[str]:
    """The lines of a lock that mean something. A package without a lock needs nothing."""
    try:
        lines = lock_file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise EnvironmentFailed(f"requirements.lock is not UTF-8: {error}") from error
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def key_of(requirements: list[str], base: Path) -> str:
    """The name of an environment: a hash of the lock and of the Python below it, which an upgrade changes."""
    binary = base.stat()
    text = "\n".join([*requirements, str(base), f"{binary.st_size} {binary.st_mtime_ns}", sys.platform])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def base_python(version: str, workshop: Workshop) -> Path:
    """The interpreter a package asks for: the robot's own where that will do, else one that uv finds.

    Raises:
        EnvironmentFailed: when this machine has none.
    """
    wanted = version.strip() or (ANY if itself.is_frozen() else "")
    own = Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()
    if not itself.is_frozen() and (not wanted or is_own_version(wanted)):
        return own
    if not SPECIFIER.fullmatch(wanted):
        raise EnvironmentFailed(f"The package's python_version {wanted!r} is none: write it like 3.11 or >=3.10,<3.13.")
    found = _find_python(wanted, own, workshop)
    if found is None and workshop.downloads_python:
        _download_python(wanted, workshop)
        found = _find_python(wanted, own, workshop)
    if found is None:
        raise EnvironmentFailed(_no_python(wanted))
    return found


def _find_python(wanted: str, own: Path, workshop: Workshop) -> Path | None:
    # The robot's own Python need not be on the path, and may be in the range that is wanted.
    path = os.pathsep.join([str(own.parent), os.environ.get("PATH", os.defpath)])
    command = [uv_binary(), "python", "find", "--no-python-downloads", "--no-project", "--system", wanted]
    found = _installer(command, workshop, PATH=path)
    if found.code != 0:
        return None
    # It may complain of interpreters that do not work, before and after.
    return next((Path(line) for line in reversed(found.said.splitlines()) if os.path.isabs(line)), None)


def _download_python(wanted: str, workshop: Workshop) -> None:
    workshop.say(f"Downloading Python {wanted}, which this machine does not have.")
    got = _installer([uv_binary(), "python", "install", wanted], workshop)
    if got.code != 0:
        raise EnvironmentFailed(
            f"Python {wanted} is not on this machine and could not be downloaded: {reason_of(got.said)}\n{got.said}"
        )


def _no_python(wanted: str) -> str:
    there = ", ".join(installed_pythons()) or "none"
    told = f"The package asks for Python {wanted}, which this machine does not have; it has {there}."
    return f"{told} Install one that fits, or set python_downloads for the robot."


def installed_pythons() -> list[str]:
    """The versions of Python on this machine, in order; the robot's own alone where uv cannot be used."""
    try:
        return listed_pythons(uv_binary())
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return own_versions()


def listed_pythons(binary: str) -> list[str]:
    """The versions that uv finds, and the robot's own, in order.

    Raises:
        OSError, SubprocessError, ValueError, KeyError, TypeError: when uv cannot be used.
    """
    done = subprocess.run(
        [binary, "python", "list", "--only-installed", "--no-python-downloads", "--output-format", "json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=UV_SECONDS,
        check=True,
        env=installer_environment(os.environ),
    )
    versions = {str(python["version"]) for python in json.loads(done.stdout)}
    return sorted(versions | {*own_versions()}, key=_by_number)


def own_versions() -> list[str]:
    """The robot's own Python; none where it is a single executable, whose Python is for itself alone."""
    return [] if itself.is_frozen() else [own_version()]


def own_version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _by_number(version: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in version.split(".")]


def is_own_version(wanted: str) -> bool:
    return f"{own_version()}.".startswith(f"{wanted}.")


def _build(directory: Path, base: Path, lock_file: Path | None, workshop: Workshop) -> None:
    is_built = False
    try:
        _make(directory, base, workshop)
        if lock_file:
            workshop.say(f"Building the environment from {lock_file.name}.")
            _install(directory, base, lock_file, workshop)
        spool.write_record(_mark_of(directory), {"python": str(base)})
        is_built = True
    finally:
        if not is_built:  # Failed or given up: the next job must not find it half done.
            shutil.rmtree(directory, ignore_errors=True)


def _make(directory: Path, base: Path, workshop: Workshop) -> None:
    """Make an empty environment; with the standard library alone where uv cannot run."""
    shutil.rmtree(directory, ignore_errors=True)
    by_uv = _installer([uv_binary(), "venv", "--no-project", "--python", str(base), str(directory)], workshop)
    if by_uv.code != 0:
        _demand(_installer([str(base), "-m", "venv", "--clear", "--without-pip", str(directory)], workshop))


def _install(directory: Path, base: Path, lock_file: Path, workshop: Workshop) -> None:
    python = str(platforms.python_of(directory))
    by_uv = _installer([uv_binary(), "pip", "install", "--python", python, "-r", str(lock_file)], workshop)
    if by_uv.code == 0:
        return
    # pip reads its own configuration, where a company may have named an index that uv does not know.
    workshop.say(f"uv could not build the environment, so pip tries.\n{by_uv.said}")
    by_pip = _installer([str(base), "-m", "pip", "--python", python, *_pip_install(lock_file)], workshop)
    if any(told in by_pip.said for told in ("No module named pip", "no such option: --python")):
        _demand(_installer([str(base), "-m", "venv", "--clear", str(directory)], workshop))
        by_pip = _installer([python, "-m", "pip", *_pip_install(lock_file)], workshop)
    if by_pip.code != 0:
        raise EnvironmentFailed(_failure(by_uv, by_pip))


def _failure(by_uv: _Done, by_pip: _Done) -> str:
    """Why nothing could be installed: the reason in a sentence, then what both installers said last."""
    reason = reason_of(by_pip.said if by_uv.code == CANNOT_RUN else by_uv.said)
    return "\n".join((
        f"The environment could not be built: {reason}",
        "\nuv:",
        _end_of(by_uv.said),
        "\npip:",
        _end_of(by_pip.said),
    ))  # fmt: skip


def reason_of(said: str) -> str:
    """The one sentence of an installer's output that says what is wrong: the error, with its innermost cause."""
    lines = said.splitlines() or ["the installer said nothing"]
    found, causes = REASON.search(said), CAUSE.findall(said)
    first = found[1].strip() if found else lines[-1].strip()
    return f"{first.removesuffix(':')}: {causes[-1].strip()}" if causes and found else first


def _end_of(said: str) -> str:
    return "\n".join(said.splitlines()[-LAST_LINES:])


def _pip_install(lock_file: Path) -> list[str]:
    return ["install", "--no-input", "--disable-pip-version-check", "-r", str(lock_file)]


def _demand(done: _Done) -> None:
    if done.code != 0:
        raise EnvironmentFailed(done.said)


@dataclass(frozen=True)
class _Done:
    code: int
    said: str


def _installer(command: list[str], workshop: Workshop, **variables: str) -> _Done:
    """Run an installer to its end, or until ``pause`` raises or the time is up."""
    deadline = platforms.steady() + workshop.seconds
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=installer_environment(os.environ) | UNBROKEN | variables,
                **platforms.apart(),
            )
        except OSError as error:
            return _Done(CANNOT_RUN, f"{command[0]}: {error}")
        try:
            _wait(process, deadline, workshop)
        finally:
            if process.poll() is None:
                platforms.kill_group(process.pid)
                process.wait()
        output.seek(0)
        return _Done(process.returncode, output.read().decode("utf-8", "backslashreplace").strip())


def uv_binary() -> str:
    """The uv that came with the robot, else whatever the path has; a missing one fails like any installer."""
    if beside := itself.beside("uv"):
        return str(beside)
    try:
        return uv.find_uv_bin()
    except FileNotFoundError:
        return "uv"


def _wait(process: subprocess.Popen[bytes], deadline: float, workshop: Workshop) -> None:
    while process.poll() is None:
        if platforms.steady() > deadline:
            raise EnvironmentFailed(f"Building the environment took longer than {workshop.seconds:g} seconds.")
        workshop.pause()


def installer_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The robot's environment, where proxies and indexes are set, without what is the robot's own."""
    own = ("ORCHESTRATOR_", "BV_ROBOT_", "VIRTUAL_ENV", "PYTHON")
    return {name: value for name, value in environ.items() if not name.startswith(own)}
