"""Everything between a granted lease and a job that can start: the package, its environment, the plan."""

from __future__ import annotations

import os
import shutil
import ssl
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import certifi

from bv_robot import api, client, environments, keeping, limits, logs, platforms, spool
from bv_robot.cgroups import JobGroup
from bv_robot.client import Backoff, Trouble
from bv_robot.desk import Desk
from bv_robot.environments import Workshop
from bv_robot.packages import archives, fetching
from bv_robot.runner import Plan
from bv_robot.spool import ExecutionFiles, Record

T = TypeVar("T")

HARMLESS = {
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY",
    "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "LD_LIBRARY_PATH",
    "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA",
    "PROGRAMDATA", "PROGRAMFILES", "NUMBER_OF_PROCESSORS",
}  # fmt: skip
"""What a job gets from the robot's own environment without being asked."""


class UnusableSource(Exception):
    """What the job is to run does not exist here, or this robot may not run it."""


class NotBegun(Exception):
    """The job cannot begin on this robot now; the lease goes back, and it costs the job no attempt."""


@dataclass(frozen=True)
class Preparation:
    """The way from a lease to a plan.

    Attributes:
        start_by: When, on the steady clock, the lease must have been started.
        pause: Called about ten times a second while waiting; it raises to give the job up.
        check: Raises as well, without a pause.
        say: Writes a line into the job's log.
    """

    desk: Desk
    lease: Record
    files: ExecutionFiles
    mark: str
    work: Path
    start_by: float
    pause: Callable[[], None]
    check: Callable[[], None]
    say: Callable[[str], None]

    def plan(self) -> Plan:
        """Fetch what the lease names, start the lease, and make everything ready.

        Raises:
            NotBegun: when the lease should go back.
            WrongPackage, UnsafeArchive, UnusableSource, EnvironmentFailed: when the job has failed.
        """
        if self.lease["script_path"]:
            return self._plan_for_script()
        archive = self._patiently(self._fetch)
        token = self._patiently(self._start)
        project = archives.extract(archive, self._fresh_directory())
        version = str(self.lease["package"].get("python_version") or "")
        python = environments.prepare(project / "requirements.lock", version, self._workshop())
        kind, target = entrypoint_of(self.lease["entrypoint"]["command"], project)
        return self._plan(python, kind, target, project, work=project, token=token)

    def _plan_for_script(self) -> Plan:
        script = allowed_script(self.lease["script_path"], self.desk.config.script_directories)
        token = self._patiently(self._start)
        work = self._fresh_directory()
        named = self.desk.config.script_python
        python = Path(named) if named else environments.prepare(work / "requirements.lock", "", self._workshop())
        return self._plan(python, "script", str(script), script.parent, work=work, token=token)

    def _plan(self, python: Path, kind: str, target: str, path: Path, *, work: Path, token: str | None) -> Plan:
        groups = self.desk.groups
        return Plan(
            python=str(python),
            kind=kind,
            target=target,
            path=[str(path)],
            work=str(work),
            environment=self._environment(python),
            timeout=self.lease["timeout"],
            kill_grace=self.lease["kill_grace"],
            log_limit=self.desk.settings.log_limit_bytes,
            result_limit=self.desk.settings.result_limit_bytes,
            mark=self.mark,
            limits=asdict(limits.of_job(self.lease, vars(self.desk.config), vars(self.desk.settings))),
            group=str(JobGroup.of(groups, self.lease["execution"]).directory) if groups else None,
            keeps_cores=self.desk.config.keep_core_files,
            keep_failed=self._keeping(),
            orchestrator=self._orchestrator(),
            token=token,
        )

    def _orchestrator(self) -> Record:
        """What a job is told about its orchestrator, over its standard input."""
        identity, lease = self.desk.identity, self.lease
        return {
            "url": identity.url,
            "base_url": f"{identity.url}/{lease.get('tenant')}/orchestrator_",
            "ca_file": self.desk.config.ca_file,
            "execution": lease["execution"],
            "lease": lease["lease"],
            "robot": identity.name,
            "machine": self.desk.config.machine_name or platforms.host_name(),
            "tenant": lease.get("tenant"),
            "folder": (lease.get("folder") or {}).get("id"),
            "project_type": lease.get("kind"),
        }

    def _keeping(self) -> Record | None:
        """What the supervisor needs to keep the working directory of a job that fails; None where none are kept."""
        config = self.desk.config
        if not config.keep_failed_days:
            return None
        package, process = self.lease["package"], self.lease.get("process") or {}
        ran = f"{package['name']} {package['version']}" if package else self.lease["script_path"]
        return {
            "note": str(keeping.note_of(self.desk.home, self.files.directory.name)),
            "what": f"{process['name']} ({ran})" if process.get("name") else ran,
            "days": config.keep_failed_days,
            "most_bytes": config.keep_failed_bytes,
        }

    def _fresh_directory(self) -> Path:
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(mode=0o700, parents=True)
        return self.work

    def _fetch(self) -> Path:
        package, cache = self.lease["package"], self.desk.home.packages
        return fetching.fetch(self.desk.http, package, cache, pause=self.pause, check=self.check)

    def _start(self) -> str | None:
        return api.start(self.desk.http, self.lease["lease"], self.desk.session or "")

    def _workshop(self) -> Workshop:
        seconds = self.desk.config.environment_seconds
        downloads = self.desk.config.python_downloads
        return Workshop(self.desk.home.environments, seconds, self.pause, self.say, self._claim, downloads)

    def _claim(self, key: str) -> None:
        spool.write_note(self.files.environment, {"key": key})

    def _patiently(self, call: Callable[[], T]) -> T:
        """Try until it works, or until it is too late to start."""
        backoff = Backoff(cap=self.desk.settings.sync_max)
        while True:
            try:
                return call()
            except (client.Unreachable, client.ServerTrouble, client.NotSignedIn) as trouble:
                self._wait(backoff.pause(trouble), trouble)
            except client.Refusal as refusal:
                raise NotBegun(str(refusal)) from refusal

    def _wait(self, seconds: float, trouble: Trouble) -> None:
        until = platforms.steady() + seconds
        if until >= self.start_by:
            raise NotBegun(f"the lease could not be started in time: {trouble}") from trouble
        while platforms.steady() < until:
            self.pause()

    def _environment(self, python: Path) -> dict[str, str]:
        passed = {*HARMLESS, *self.desk.config.pass_environment}
        return environment_of_robot(os.environ, passed) | {
            "PATH": os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)]),
            "VIRTUAL_ENV": str(python.parent.parent),
            "PYTHONPATH": str(self.desk.home.author),
            "PYTHONIOENCODING": "utf-8:backslashreplace",
            "PYTHONUNBUFFERED": "1",
            platforms.MARK_OF_JOB: self.mark,
            "BV_JOB_CHANNEL": str(self.files.channel),
            "BV_JOB_PARAMETERS_FILE": str(self.files.channel / "parameters.json"),
            "BV_JOB_ITEMS_FILE": str(self.files.channel / "items.json"),
            "BV_ORCHESTRATOR_URL": self.desk.identity.url,
            "BV_ROBOT_NAME": self.desk.identity.name,
            **self._certificates(),
            **facts_of(self.lease),
        }

    def _certificates(self) -> dict[str, str]:
        """Where the server's certificate is your own, libraries inside the job trust it beside all the usual ones."""
        own = self.desk.config.ca_file
        if not own:
            return {}
        named = os.environ.get("SSL_CERT_FILE")
        usual = [named] if named else [ssl.get_default_verify_paths().cafile, certifi.where()]
        together = self.files.directory / "certificates.pem"
        texts = [Path(file).read_bytes() for file in (*usual, own) if file and Path(file).is_file()]
        together.write_bytes(b"\n".join(texts))
        return {"SSL_CERT_FILE": str(together)}


def environment_of_robot(environ: Mapping[str, str], passed: set[str]) -> dict[str, str]:
    """What of the robot's environment a job may see: never its keys, whatever was allowed by name."""
    return {
        name: value
        for name, value in environ.items()
        if (name in passed or name.startswith("LC_")) and not name.startswith(("ORCHESTRATOR_", "BV_ROBOT_"))
    }


def facts_of(lease: Record) -> dict[str, str]:
    """The lease in environment variables, for jobs that want to know who they are."""
    package, folder, process = (lease.get(name) or {} for name in ("package", "folder", "process"))
    facts = {
        "BV_JOB_ID": lease["job"],
        "BV_EXECUTION_ID": lease["execution"],
        "BV_EXECUTION_NUMBER": lease["number"],
        "BV_LEASE_ID": lease["lease"],
        "BV_EFFECT_KEY": lease["effect_key"],
        "BV_TENANT": lease.get("tenant"),
        "BV_FOLDER_ID": folder.get("id"),
        "BV_FOLDER_NAME": folder.get("name"),
        "BV_PROCESS_ID": process.get("id"),
        "BV_PROCESS_NAME": process.get("name"),
        "BV_PACKAGE_NAME": package.get("name"),
        "BV_PACKAGE_VERSION": package.get("version"),
    }
    return {name: str(value) for name, value in facts.items() if value is not None and "\x00" not in str(value)}


def entrypoint_of(command: str, project: Path) -> tuple[str, str]:
    """Say whether a command is a script or a function, and where it lies.

    Raises:
        UnusableSource: when it is neither, or the script is not in the package.
    """
    if not command.endswith(".py"):
        module, colon, name = command.partition(":")
        if not (module and colon and name):
            raise UnusableSource(f"The entrypoint {command!r} is neither module:function nor a .py file.")
        return "function", command
    script = _file_inside(project, command)
    if script is None:
        raise UnusableSource(f"The package has no file {command}.")
    return "script", str(script)


def allowed_script(path: str, directories: list[str]) -> Path:
    """Find a script by the path a process names, inside the directories this robot's operator allowed.

    Raises:
        UnusableSource: when it lies elsewhere, also through a link, or does not exist.
    """
    found = next((script for root in directories if (script := _file_inside(Path(root), path))), None)
    if found is None:
        raise UnusableSource(f"This robot is not allowed to run {path}, or has no such file (see script_directories).")
    return found


def _file_inside(directory: Path, path: str) -> Path | None:
    """The file at ``path`` below ``directory``; None where there is none, or a link leads out of it."""
    if "\x00" in path:
        return None
    root = directory.resolve()
    file = (root / path).resolve()
    return file if file.is_relative_to(root) and file.is_file() else None


def install_author_module(directory: Path) -> None:
    """Put ``bv_robot.job`` where every job finds it, and nothing else of the robot."""
    package = directory / "bv_robot"
    (package / "job").mkdir(mode=0o700, parents=True, exist_ok=True)
    _keep(package / "__init__.py", "")
    for module in Path(__file__).with_name("job").glob("*.py"):
        _keep(package / "job" / module.name, module.read_text(encoding="utf-8"))


def _keep(file: Path, text: str) -> None:
    """Have a file hold a text; one that does is left alone, so that a full disk is no obstacle."""
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.write_text(text, encoding="utf-8")


def progress_of(told: Mapping[str, Any]) -> Record:
    """What a job said about its progress, in the bounds of the wire."""
    progress: Record = {}
    percent = told.get("percent")
    if isinstance(percent, int | float) and percent == percent:
        progress["percent"] = max(0, min(100, percent))
    for name, longest in (("step", 200), ("message", 1000)):
        if isinstance(told.get(name), str):
            progress[name] = logs.clean(told[name])[:longest]
    return progress
