"""The main job, shown: a real package from the examples, built, uploaded and run on a real robot, all over HTTP."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from orchestrator import embedded
from orchestrator.supervisor.children import Program
from orchestrator.supervisor.progress import Progress
from orchestrator.supervisor.supervisor import Cancelled, NotReady
from orchestrator.supervisor.system import System

EXAMPLE = embedded.CHECKOUT / "examples" / "hello"
ADMINISTRATOR = "admin"
PARAMETERS = {"name": "operator", "count": 3, "pause": 0.5}
#: A robot that has just started has its first contact within moments; an installer run may take a while.
PATIENCE = 120.0
#: How long the end of a log may be on its way after the end of its job.
LOG_PATIENCE = 5.0
POLL_SECONDS = 0.2
ANSWER_SECONDS = 5.0
FINAL = ("completed", "failed", "cancelled")
COLOURS, PLAIN = {"ERROR": "\033[31m", "WARN": "\033[33m"}, "\033[0m"


class DemoFailed(Exception):
    """A step of the demonstration did not do what it should."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the job ended, and where to look at it."""

    status: str
    result: Any
    error: Any
    address: str


@dataclass(slots=True)
class _Log:
    """How far the log of one execution has been read."""

    after: str = ""
    is_whole: bool = False

    @property
    def params(self) -> dict[str, str]:
        return {"after": self.after} if self.after else {}


class Demo:
    """One run of the demonstration against a system that is up.

    ``say`` gets one line at a time; ``is_cancelled`` is asked several times a second, and a yes ends the run with
    ``Cancelled``.
    """

    def __init__(self, system: System, *, say: Callable[[str], None], is_cancelled: Callable[[], bool]) -> None:
        self._system = system
        self._say = say
        self._is_cancelled = is_cancelled
        self._password = system.data_dir / "demo-password"
        self._key = system.data_dir / "demo-api-key"
        self._api = httpx.Client(
            base_url=f"{system.url}/api/v1", timeout=ANSWER_SECONDS, transport=httpx.HTTPTransport(retries=3)
        )

    @property
    def password(self) -> str | None:
        """The administrator's password, if it was made here; only this user can read the file."""
        return self._password.read_text() if self._password.exists() else None

    def run(self, follow: Callable[[str], None]) -> Outcome:
        """Build, upload, bind, run; ``follow`` gets each line of the job's log. Raises ``DemoFailed``."""
        try:
            with self._api:
                self._sign_in()
                package = self._publish(self._build())
                process = self._process(package)
                job = self._call("POST", "/jobs", json={"process": process["id"], "parameters": PARAMETERS})
                self._say(f"Running the process “{process['name']}” as job {job['id']}")
                return self._follow(job["id"], follow)
        except httpx.HTTPError as error:
            logs = self._system.data_dir / "logs"
            raise DemoFailed(f"The orchestrator did not answer: {error}. What it said is in {logs}.") from error

    def _sign_in(self) -> None:
        """Call with the key of an earlier run while it is good, or else with a new one of the administrator's."""
        if self._key.exists() and self._accepts(self._key.read_text()):
            return
        self._create_administrator()
        key = self._system.manage("create_api_key", ADMINISTRATOR, "--oldest-tenant", "--name", "demo", "--print-key")
        _write_private(self._key, key.strip().splitlines()[-1])
        if not self._accepts(self._key.read_text()):
            raise DemoFailed("The orchestrator does not accept the key it has just made.")

    def _accepts(self, key: str) -> bool:
        self._api.headers["Authorization"] = f"Bearer {key}"
        return self._send("GET", "/me").status_code == 200

    def _create_administrator(self) -> None:
        """Make the administrator, unless there is one of that name; the password is kept for the next run."""
        password = secrets.token_urlsafe(12)
        os.environ["BV_ADMIN_PASSWORD"] = password
        said = self._system.manage("create_admin", ADMINISTRATOR, "--if-none")
        del os.environ["BV_ADMIN_PASSWORD"]
        if "Made the administrator" in said:
            _write_private(self._password, password)

    def _build(self) -> Path:
        """Build the example with the robot's own tool, as an author would."""
        folder = self._system.data_dir / "demo-packages"
        command = [str(self._system.robot_command), "package", "build", str(EXAMPLE), "--output", str(folder)]
        try:
            with Progress("the build of examples/hello", self._say):
                self._system.supervisor.run(Program("demo", command, dict(os.environ)))
        except Cancelled:
            raise
        except NotReady as error:
            raise DemoFailed(f"The example does not build. {error}") from error
        return max(folder.glob("*.bvpackage"), key=lambda file: file.stat().st_mtime)

    def _publish(self, file: Path) -> dict[str, Any]:
        """Upload the file and return its package; a version of an earlier run is found again."""
        with file.open("rb") as content:
            answer = self._send("POST", "/packages/upload", files={"file": (file.name, content)})
        body: dict[str, Any] = answer.json()
        if answer.status_code == 201:
            self._say(f"Uploaded the package {body['package']['name']} {body['version']}")
            package: dict[str, Any] = body["package"]
            return package
        if body.get("code") != "already_published":
            raise DemoFailed(f"The upload was refused: {body.get('detail')}")
        self._say(f"The package is here already: {body['detail']}")
        return self._named("/packages", "hello")

    def _process(self, package: dict[str, Any]) -> dict[str, Any]:
        answer = self._send("POST", "/processes", json={"name": "hello", "package": package["id"]})
        body: dict[str, Any] = answer.json()
        if answer.status_code == 201:
            self._say(f"Made the process “{body['name']}”")
            return body
        if body.get("code") != "name_taken":
            raise DemoFailed(f"The process was refused: {body.get('detail')}")
        return self._named("/processes", "hello")

    def _named(self, path: str, name: str) -> dict[str, Any]:
        items = self._call("GET", path, params={"name": name})["items"]
        found: list[dict[str, Any]] = [item for item in items if item["name"] == name]
        if not found:
            raise DemoFailed(f"“{name}” was here and has been deleted. Choose another folder with --data.")
        return found[0]

    def _follow(self, job_id: str, follow: Callable[[str], None]) -> Outcome:
        """Print the log as it comes, until the job has ended and its log is here."""
        logs: dict[str, _Log] = {}
        end = time.monotonic() + PATIENCE
        while (job := self._call("GET", f"/jobs/{job_id}"))["status"] not in FINAL:
            self._print_new_lines(job_id, logs, follow)
            if time.monotonic() > end:
                raise DemoFailed(f"The job is still {job['status']} after {PATIENCE:.0f} s. {self._why(job_id)}")
            self._pause()
        end = time.monotonic() + LOG_PATIENCE
        while not self._print_new_lines(job_id, logs, follow) and time.monotonic() < end:
            self._pause()
        address = f"{self._system.url}/admin/jobs/job/{job_id}/change/"
        return Outcome(job["status"], job["result"], job["error"], address)

    def _pause(self) -> None:
        time.sleep(POLL_SECONDS)
        if self._is_cancelled():
            raise Cancelled("Stopped before the job had ended.")

    def _print_new_lines(self, job_id: str, logs: dict[str, _Log], follow: Callable[[str], None]) -> bool:
        """Print what the logs of a job have gained; say whether all of them are here whole."""
        for execution in reversed(self._call("GET", f"/jobs/{job_id}/executions")["items"]):
            log = logs.setdefault(execution["id"], _Log())
            page = self._call("GET", f"/executions/{execution['id']}/log", params=log.params)
            log.after, log.is_whole = page["next"], page["log"]["complete"] is True and not page["has_next"]
            for line in page["lines"]:
                follow(_as_text(line))
        return all(log.is_whole for log in logs.values())

    def _why(self, job_id: str) -> str:
        why = self._call("GET", f"/jobs/{job_id}/why")
        return f"{why['summary']} {why['fix']}".strip()

    def _call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        answer = self._send(method, path, **request)
        if answer.is_error:
            raise DemoFailed(f"{method} {path} was answered {answer.status_code}: {answer.text}")
        body: dict[str, Any] = answer.json()
        return body

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        return self._api.request(method, path, **request)


def _as_text(line: dict[str, Any]) -> str:
    text = f"{line['time'][11:23]} {line['level']:<5} {line['message']}"
    colour = COLOURS.get(line["level"])
    return f"{colour}{text}{PLAIN}" if colour and sys.stdout.isatty() else text


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
