"""Where a robot keeps its things, and what an operator may set: file, then environment, then flags."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import platformdirs
import yaml

from bv_robot import client, spool


class ConfigError(Exception):
    """A setting cannot be used. The message names it and where it came from."""


@dataclass(frozen=True)
class Home:
    """The robot's directory. Nobody but the robot's own user may look into it."""

    root: Path

    @classmethod
    def at(cls, given: Path | None, environ: Mapping[str, str]) -> Home:
        """The home named by a flag, else by ``BV_ROBOT_HOME``, else the platform's usual place."""
        named = given or (Path(environ["BV_ROBOT_HOME"]) if environ.get("BV_ROBOT_HOME") else None)
        return cls((named or platformdirs.user_data_path("bv-robot")).absolute())

    def make(self) -> None:
        """Create the directories that are missing.

        Raises:
            ConfigError: when that is not possible.
        """
        above = (self.caches, self.root.parent) if self.is_one_of_several else ()
        own = (self.root, self.spool, self.work, self.kept, self.author)
        for directory in (*above, *own, self.packages, self.environments):
            try:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                told = f"{directory}: {error.strerror}; name a directory that can be written by --home or BV_ROBOT_HOME"
                raise ConfigError(told) from error

    @property
    def is_one_of_several(self) -> bool:
        """Whether this is the home of one of several robots, which lies below the home they share."""
        return self.root.parent.name == "robots" and Home(self.root.parent.parent).several_file.is_file()

    @property
    def caches(self) -> Path:
        """Where packages and environments are kept: several robots share those of the home above them."""
        return self.root.parent.parent if self.is_one_of_several else self.root

    @property
    def members(self) -> list[Home]:
        """The homes of several robots, by name; none where this is the home of one."""
        if not self.several_file.is_file():
            return []
        return [Home(directory) for directory in sorted((self.root / "robots").glob("*")) if directory.is_dir()]

    def member(self, name: str) -> Home:
        """The home of one of several robots below this one."""
        return Home(self.root / "robots" / name)

    @property
    def several_file(self) -> Path:
        """Which robots the process that keeps several has, as a note; it makes this a home of several."""
        return self.root / "robots.json"

    @property
    def several_lock_file(self) -> Path:
        """Held by the process that keeps several robots."""
        return self.root / "robots.lock"

    @property
    def key_file(self) -> Path:
        """An enrolment key left for the first start, which removes it once it has enrolled."""
        return self.root / "enrolment.key"

    @property
    def environment_file(self) -> Path:
        """Variables for the service that runs the robot, such as proxies, where an operator wrote any."""
        return self.root / "service.env"

    @property
    def ephemeral_file(self) -> Path:
        """Marks the home of a robot that came for one job, with its name."""
        return self.root / "ephemeral.json"

    @property
    def config_file(self) -> Path:
        return self.root / "config.yaml"

    @property
    def identity_file(self) -> Path:
        return self.root / "identity.json"

    @property
    def lock_file(self) -> Path:
        return self.root / "lock"

    @property
    def status_file(self) -> Path:
        return self.root / "status.json"

    @property
    def pause_file(self) -> Path:
        return self.root / "paused.json"

    @property
    def stop_file(self) -> Path:
        return self.root / "stop.json"

    @property
    def spool(self) -> Path:
        return self.root / "spool"

    @property
    def packages(self) -> Path:
        return self.caches / "packages"

    @property
    def environments(self) -> Path:
        return self.caches / "environments"

    @property
    def work(self) -> Path:
        """Working directories of jobs, one each."""
        return self.root / "work"

    @property
    def kept(self) -> Path:
        """Notes about the working directories of jobs that failed, one each."""
        return self.root / "kept"

    @property
    def author(self) -> Path:
        """What every job finds on its path: ``bv_robot.job``."""
        return self.root / "author"


@dataclass(frozen=True)
class Config:
    """What an operator may set. Each field is also ``BV_ROBOT_<NAME>`` in the environment.

    Attributes:
        url: The orchestrator's address.
        name: The robot's name; the host's when empty.
        robots: How many robots this machine runs (names end in -1, -2 …), or their names; one when empty.
        key_file: A file with an enrolment key, read whenever the robot has to enrol. None by default.
        ca_file: A file of certificates to trust instead of the usual ones.
        machine_name: What the orchestrator calls this machine. Where it is set, a key of another machine is refused.
        machine_signature: A stable text for this host where its own would not do (containers).
        script_directories: Directories whose scripts processes may name by path. None by default.
        script_python: The interpreter for those scripts; the robot's own base interpreter when empty.
        pass_environment: Names of variables that jobs get from the robot's environment, beside the harmless ones.
        disk_reserve_bytes: With less free than this the robot takes no new work.
        environment_seconds: How long building an environment may take.
        keep_records_seconds: How long a delivered result is kept.
        cache_unused_days: Environments and packages that no job used for so many days are removed.
        cache_most_bytes: What environments and packages may take together; the longest unused go first.
        memory_limit: MiB that one job may use, whatever its process allows; 0 for no limit of this machine.
        cpu_limit: Processor cores that one job may use, such as 1.5; 0 for no limit of this machine.
        keep_core_files: Whether a job that crashes may leave a core file.
        python_downloads: Whether a Python that a package asks for and this machine lacks may be downloaded (by uv).
        keep_failed_days: How long the working directories of jobs that failed are kept; 0 to keep none.
        keep_failed_bytes: What these may take together; the oldest go first.
    """

    url: str = ""
    name: str = ""
    robots: list[str] = dataclasses.field(default_factory=list)
    key_file: str = ""
    ca_file: str = ""
    machine_name: str = ""
    machine_signature: str = ""
    script_directories: list[str] = dataclasses.field(default_factory=list)
    script_python: str = ""
    pass_environment: list[str] = dataclasses.field(default_factory=list)
    disk_reserve_bytes: int = 256 * 1024 * 1024
    environment_seconds: int = 15 * 60
    keep_records_seconds: int = 24 * 3600
    cache_unused_days: int = 30
    cache_most_bytes: int = 10 * 1024**3
    memory_limit: int = 0
    cpu_limit: float = 0
    keep_core_files: bool = False
    python_downloads: bool = False
    keep_failed_days: int = 7
    keep_failed_bytes: int = 2 * 1024**3


@dataclass(frozen=True)
class Setting:
    """A setting's value and where it comes from.

    Attributes:
        name: Its name, as in ``Config``.
        value: What it is set to.
        source: ``default``, ``file``, ``environment`` or ``flag``.
        origin: Which file, variable or flag that is; empty for a default.
    """

    name: str
    value: Any
    source: str = "default"
    origin: str = ""


def load(home: Home, environ: Mapping[str, str], **flags: Any) -> Config:
    """Read the settings of a home. Flags that are None are not given.

    Raises:
        ConfigError: when a setting is unknown or of the wrong kind.
    """
    return Config(**{setting.name: setting.value for setting in settings_of(home, environ, **flags)})


def settings_of(home: Home, environ: Mapping[str, str], **flags: Any) -> list[Setting]:
    """Every setting of a home and where it comes from, in the order of ``Config``. Flags that are None are not given.

    Raises:
        ConfigError: when a setting is unknown or of the wrong kind.
    """
    settings = {name: Setting(name, value) for name, value in dataclasses.asdict(Config()).items()}
    # Several robots share the settings of the home above them; a file of its own is stronger.
    of_the_file = [
        setting for place in {home.caches: 0, home.root: 0} for setting in _from_file(Home(place).config_file)
    ]
    of_the_flags = [Setting(name, value, "flag", _flag(name)) for name, value in flags.items() if value is not None]
    for given in [*of_the_file, *_from_environment(environ), *of_the_flags]:
        settings[given.name] = dataclasses.replace(given, value=_checked(given))
    _check_certificates(settings["ca_file"].value)
    return list(settings.values())


def _flag(name: str) -> str:
    return f"--{name}" if name in {"url", "name", "robots"} else f"--set {name}"


def parsed_flags(assignments: list[str]) -> dict[str, str]:
    """The flags that are given as ``NAME=VALUE``.

    Raises:
        ConfigError: when one is not of that form.
    """
    flags = {}
    for assignment in assignments:
        name, sign, value = assignment.partition("=")
        if not (name and sign):
            raise ConfigError(f"--set {assignment}: expected NAME=VALUE, such as --set environment_seconds=600")
        flags[name.strip().lower()] = value
    return flags


def root_of(url: str) -> str:
    """The server's root, also from an address copied with its API path. Empty stays empty.

    Raises:
        ConfigError: when it is no http address.
    """
    root = url.strip().rstrip("/").removesuffix("/api/v1").removesuffix("/api").rstrip("/")
    if root and not root.startswith(("http://", "https://")):
        raise ConfigError(f"url: {url!r} should begin with http:// or https://")
    try:
        names_host = not root or bool(httpx.URL(root).host)
    except httpx.InvalidURL as error:
        raise ConfigError(f"url: {url!r} is no address: {error}") from error
    if not names_host:
        raise ConfigError(f"url: {url!r} names no host")
    return root


def _check_certificates(ca_file: str) -> None:
    try:
        client.trust(ca_file)
    except OSError as error:
        raise ConfigError(f"ca_file: {ca_file} holds no certificates that can be read: {error}") from error


def _from_file(path: Path) -> list[Setting]:
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if settings is None:
        return []
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: expected names and values")
    # A name without a value, as in a template that nobody filled in, sets nothing.
    return [Setting(str(name), value, "file", str(path)) for name, value in settings.items() if value is not None]


def _from_environment(environ: Mapping[str, str]) -> list[Setting]:
    variables = [(field.name, f"BV_ROBOT_{field.name.upper()}") for field in dataclasses.fields(Config)]
    named = [*variables, ("url", "ORCHESTRATOR_URL")]
    return [
        Setting(name, environ[variable], "environment", variable) for name, variable in named if environ.get(variable)
    ]


def _checked(setting: Setting) -> Any:
    try:
        return _of_its_kind(setting.name, setting.value)
    except ConfigError as error:
        raise ConfigError(f"{error} ({setting.origin})") from error


def _of_its_kind(name: str, value: Any) -> Any:
    kinds = {field.name: field.type for field in dataclasses.fields(Config)}
    match kinds.get(name):
        case None:
            raise ConfigError(f"{name}: there is no such setting; there are {', '.join(kinds)}")
        case "int":
            return _number(name, value)
        case "float":
            return _cores(name, value)
        case "bool":
            return _truth(name, value)
        case "list[str]":
            return [str(part) for part in value] if isinstance(value, list) else str(value).split(os.pathsep)
        case _:
            return root_of(str(value)) if name == "url" else str(value)


def _number(name: str, value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name}: {value!r} is not a whole number") from error
    if number < 0:
        raise ConfigError(f"{name}: {number} is below zero")
    return number


def _cores(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name}: {value!r} is not a number") from error
    if not 0 <= number < float("inf"):
        raise ConfigError(f"{name}: {number:g} is not a number of cores")
    return number


def _truth(name: str, value: Any) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).lower() not in known:
        raise ConfigError(f"{name}: {value!r} is neither true nor false")
    return known[str(value).lower()]


# The identity


@dataclass(frozen=True)
class Identity:
    """Who this robot is to its orchestrator."""

    url: str
    robot_id: str
    machine_id: str
    name: str
    api_token: str = dataclasses.field(repr=False)
    machine_signature: str
    former_token: str = dataclasses.field(repr=False, default="")
    """The token before this one, for a server that does not know the newest."""
    token_lifetime: float | None = None
    """Seconds for which the token was good when that was first told; None where it never was."""


def read_identity(home: Home) -> Identity | None:
    """The stored identity, or None where this home was never enrolled.

    Raises:
        ConfigError: when the file cannot be read.
    """
    try:
        stored = json.loads(home.identity_file.read_text())
        known = {field.name for field in dataclasses.fields(Identity)}
        # What a newer robot, since rolled back, has added is not for us.
        return Identity(**{name: value for name, value in stored.items() if name in known})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{home.identity_file}: {error}; enrol again with `bv-robot enroll`") from error


def write_identity(home: Home, identity: Identity) -> None:
    """Store who we are, for the robot's user alone."""
    spool.write_file(home.identity_file, json.dumps(dataclasses.asdict(identity), indent=1).encode())
