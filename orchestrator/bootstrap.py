"""Sets up the virtual environment before anything but the standard library can be imported.

The environment is right when its stamp names the hash of the requirements file that a command needs. Syncing to the
superset (``requirements-dev.txt``) satisfies both files; what the superset added is never taken away again.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RUN_FILE = "requirements.txt"
DEV_FILE = "requirements-dev.txt"
DEV_COMMANDS = {"check_all"}
SWITCH = "BV_NO_BOOTSTRAP"
IS_WINDOWS = sys.platform == "win32"


@dataclass(frozen=True, slots=True)
class Environment:
    """The virtual environment of one checkout."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if IS_WINDOWS else "bin/python")

    @property
    def stamp(self) -> Path:
        return self.folder / ".bv-stamp.json"

    @property
    def lock(self) -> Path:
        return self.root / ".cache" / "bootstrap.lock"

    def is_satisfied(self, needed: str) -> bool:
        """Say whether the environment holds what a requirements file names, going by its stamp."""
        return self.python.exists() and self.read_stamp().get(needed) == self.hash_of(needed)

    def file_to_sync(self, needed: str) -> str:
        """Return the requirements file to sync to: never fewer packages than somebody has asked for before."""
        is_ours = self.stamp.exists()
        has_superset = DEV_FILE in self.read_stamp()
        # An environment made by hand carries no stamp, and may hold the superset.
        return DEV_FILE if has_superset or (self.python.exists() and not is_ours) else needed

    def read_stamp(self) -> dict[str, str]:
        """Return the hashes of the files that the environment was synced to."""
        try:
            stamp = json.loads(self.stamp.read_text())
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def write_stamp(self, synced: str) -> None:
        """Note that the environment holds what ``synced`` names; the superset counts for both files."""
        files = [RUN_FILE, DEV_FILE] if synced == DEV_FILE else [synced]
        self._replace_stamp({name: self.hash_of(name) for name in files})

    def write_empty_stamp(self) -> None:
        """Note that the environment is ours and holds nothing yet."""
        self._replace_stamp({})

    def hash_of(self, name: str) -> str:
        """Return a hash over a requirements file and the interpreter that the environment was made from."""
        digest = hashlib.sha256((self.root / name).read_bytes())
        config = self.folder / "pyvenv.cfg"
        digest.update(config.read_bytes() if config.exists() else b"")
        return digest.hexdigest()

    def _replace_stamp(self, hashes: dict[str, str]) -> None:
        draft = self.stamp.with_suffix(".draft")
        draft.write_text(json.dumps(hashes))
        draft.replace(self.stamp)


class SetUpFailed(Exception):
    """The environment cannot be set up; the message says what to do."""


def ensure_environment(argv: list[str]) -> None:
    """Go on in the right virtual environment, making or syncing it first; may replace this process."""
    if os.environ.get(SWITCH):
        return
    environment = Environment(Path(__file__).resolve().parent.parent)
    needed = DEV_FILE if len(argv) > 1 and argv[1] in DEV_COMMANDS else RUN_FILE
    if not environment.is_satisfied(needed):
        try:
            set_up(environment, needed, say)
        except SetUpFailed as failure:
            sys.exit(str(failure))
    if Path(sys.prefix).resolve() != environment.folder.resolve():
        _go_on_with(environment.python, argv)


def set_up(environment: Environment, needed: str, tell: Callable[[str], None]) -> None:
    """Make or sync the environment, one process at a time; raises ``SetUpFailed``."""
    with _alone(environment.lock, tell):
        if environment.is_satisfied(needed):
            return
        begun = time.monotonic()
        name = environment.file_to_sync(needed)
        tell(f"Setting up the environment in {environment.folder} from {name} (about 10 s, once) …")
        if not _works(environment.python):
            _make(environment, tell)
        _sync(environment, name, tell)
        environment.write_stamp(name)
        tell(f"The environment is ready after {time.monotonic() - begun:.1f} s.")


def say(message: str) -> None:
    """Tell the person at the terminal; standard output belongs to the command."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


def _make(environment: Environment, tell: Callable[[str], None]) -> None:
    if not importlib.util.find_spec("ensurepip") or not importlib.util.find_spec("venv"):
        raise SetUpFailed(
            "This Python cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv"
        )
    tell("  making a virtual environment")
    _run([sys.executable, "-m", "venv", "--clear", str(environment.folder)], "A virtual environment cannot be made")
    environment.write_empty_stamp()


def _sync(environment: Environment, name: str, tell: Callable[[str], None]) -> None:
    requirements, python = environment.root / name, str(environment.python)
    pins = len(re.findall(r"^[\w.\[\]-]+==", requirements.read_text(), re.MULTILINE))
    try:
        uv = _uv(environment, tell)
        tell(f"  installing {pins} packages")
        command = [str(uv), "pip", "sync", "--quiet", "--require-hashes", "--python", python, str(requirements)]
        _run(command, "uv failed")
    except SetUpFailed as failure:
        tell(f"  {failure}\n  trying pip instead, which knows its own mirrors (about a minute)")
        _pip(environment, ["install", "--require-hashes", "-r", str(requirements)])


def _uv(environment: Environment, tell: Callable[[str], None]) -> Path:
    """Return the environment's own uv, of the pinned version."""
    pinned = _pinned_uv((environment.root / RUN_FILE).read_text())
    uv = environment.python.with_name("uv.exe" if IS_WINDOWS else "uv")
    if not uv.exists() or _output([str(uv), "--version"]).split()[1:2] != [pinned.version]:
        tell(f"  fetching uv {pinned.version}")
        with tempfile.TemporaryDirectory() as folder:
            listed = Path(folder) / "uv.txt"
            listed.write_text(pinned.block)
            _pip(environment, ["install", "--require-hashes", "--no-deps", "-r", str(listed)])
    return uv


@dataclass(frozen=True, slots=True)
class Pin:
    """One package of a requirements file, with the lines of its hashes."""

    version: str
    block: str


def _pinned_uv(requirements: str) -> Pin:
    found = re.search(r"^uv==([^\s\\;]+)(?:[^\n]*\\\n)*[^\n]*", requirements, re.MULTILINE)
    if not found:
        raise SetUpFailed(f"{RUN_FILE} does not pin uv.")
    return Pin(found[1], f"{found[0]}\n")


def _pip(environment: Environment, arguments: list[str]) -> None:
    python = str(environment.python)
    if subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        _run([python, "-m", "ensurepip", "--default-pip"], "pip cannot be installed")
    _run([python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], "pip failed")


def _works(python: Path) -> bool:
    """Say whether the environment's interpreter still runs: its base may have been removed or replaced."""
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    try:
        return subprocess.run([python, "-I", "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def _run(command: list[str], what_fails: str) -> None:
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        raise SetUpFailed(f"{what_fails}: {error}") from error
    if done.returncode:
        said = "\n".join(done.stdout.strip().splitlines()[-12:])
        raise SetUpFailed(f"{what_fails} (exit code {done.returncode}):\n{said}")


def _go_on_with(python: Path, argv: list[str]) -> None:
    command = [str(python), str(Path(argv[0]).resolve()), *argv[1:]]
    if IS_WINDOWS:  # exec gives the prompt back at once there
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


@contextmanager
def _alone(lock: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Let one process at a time change the environment; the kernel frees the lock of one that dies."""
    lock.parent.mkdir(exist_ok=True)
    if IS_WINDOWS:
        yield
        return
    import fcntl

    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("Another command is setting up the environment; waiting for it …")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
