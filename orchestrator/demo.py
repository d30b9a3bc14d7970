"""The main job, shown: a real package from the examples, built, uploaded and run on a real robot, all over HTTP."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from orchestrator import embedded
from orchestrator.supervisor.progress import Progress
from orchestrator.supervisor.system import System

EXAMPLE = embedded.CHECKOUT / "examples" / "hello"
ADMINISTRATOR = "admin"
PARAMETERS = {"name": "operator", "count": 3}
#: A robot that has just started has its first contact within moments; an installer run may take a while.
PATIENCE = 120.0
POLL_SECONDS = 0.3
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


class Demo:
    """One run of the demonstration against a system that is up. ``say`` gets one line at a time."""

    def __init__(self, system: System, *, say: Callable[[str], None]) -> None:
        self._system = system
        self._say = say
        self._password = system.data_dir / "demo-password"
        self._key = system.data_dir / "demo-api-key"
        self._api: httpx.Client | None = None

    @property
    def password(self) -> str:
        """The administrator's password, kept where only this user can read it; it belongs to this data directory."""
        if not self._password.exists():
            _write_private(self._password, secrets.token_urlsafe(12))
        return self._password.read_text()

    def run(self, follow: Callable[[str], None]) -> Outcome:
        """Build, upload, bind, run; ``follow`` gets each line of the job's log. Raises ``DemoFailed``."""
        self._create_administrator()
        with httpx.Client(
            base_url=f"{self._system.url}/api/v1", headers={"Authorization": f"Bearer {self._api_key()}"}, timeout=30
        ) as self._api:
            version = self._publish(self._build())
            process = self._process(version)
            job = self._call("POST", "/jobs", json={"process": process["id"], "parameters": PARAMETERS})
            self._say(f"Running the process “{process['name']}” as job {job['id']}")
            return self._follow(job["id"], follow)

    def _create_administrator(self) -> None:
        os.environ["BV_ADMIN_PASSWORD"] = self.password
        self._system.manage("create_admin", ADMINISTRATOR, "--if-none")
        del os.environ["BV_ADMIN_PASSWORD"]

    def _api_key(self) -> str:
        """Return the demonstration's key; it is made anew where the old one has ended."""
        if not (self._key.exists() and self._accepted(self._key.read_text())):
            key = self._system.manage("create_api_key", ADMINISTRATOR, "--name", "demo", "--print-key")
            _write_private(self._key, key.strip().splitlines()[-1])
        return self._key.read_text()

    def _accepted(self, key: str) -> bool:
        answer = httpx.get(f"{self._system.url}/api/v1/me", headers={"Authorization": f"Bearer {key}"}, timeout=30)
        return answer.status_code == 200

    def _build(self) -> Path:
        """Build the example with the robot's own tool, as an author would."""
        folder = self._system.data_dir / "demo-packages"
        command = [str(self._system.robot_command), "package", "build", str(EXAMPLE), "--output", str(folder)]
        with Progress("the build of examples/hello", self._say):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DemoFailed(f"The example does not build:\n{done.stdout}{done.stderr}")
        return max(folder.glob("*.bvpackage"), key=lambda file: file.stat().st_mtime)

    def _publish(self, file: Path) -> dict[str, Any]:
        """Upload the package, or find the version that is there from the last time."""
        with file.open("rb") as content:
            answer = self._send("POST", "/packages/upload", files={"file": (file.name, content)})
        body: dict[str, Any] = answer.json()
        if answer.status_code == 201:
            self._say(f"Uploaded {body['package']['name']} {body['version']}")
            return body
        if body.get("code") != "already_published":
            raise DemoFailed(f"The upload was refused: {body.get('detail')}")
        package = self._only("/packages", name="hello")
        self._say(f"{package['name']} {package['latest_version']['version']} is here already")
        return {"package": package}

    def _process(self, version: dict[str, Any]) -> dict[str, Any]:
        answer = self._send("POST", "/processes", json={"name": "hello", "package": version["package"]["id"]})
        body: dict[str, Any] = answer.json()
        if answer.status_code == 201:
            return body
        if body.get("code") != "name_taken":
            raise DemoFailed(f"The process was refused: {body.get('detail')}")
        return self._only("/processes", name="hello")

    def _only(self, path: str, **filters: str) -> dict[str, Any]:
        items = self._call("GET", path, params=filters)["items"]
        found: dict[str, Any] = next(item for item in items if item["name"] == filters["name"])
        return found

    def _follow(self, job_id: str, follow: Callable[[str], None]) -> Outcome:
        """Print the log as it comes, until the job has ended and its log is complete."""
        deadline = time.monotonic() + PATIENCE
        cursors: dict[str, str] = {}
        while True:
            job = self._call("GET", f"/jobs/{job_id}")
            for line in self._new_lines(job_id, cursors):
                follow(line)
            if job["status"] in FINAL:
                address = f"{self._system.url}/admin/jobs/job/{job_id}/change/"
                return Outcome(job["status"], job["result"], job["error"], address)
            if time.monotonic() > deadline:
                raise DemoFailed(f"The job is still {job['status']} after {PATIENCE:.0f} s. {self._why(job_id)}")
            time.sleep(POLL_SECONDS)

    def _new_lines(self, job_id: str, cursors: dict[str, str]) -> Iterator[str]:
        for execution in self._call("GET", f"/jobs/{job_id}/executions")["items"]:
            after = cursors.get(execution["id"])
            page = self._call("GET", f"/executions/{execution['id']}/log", params={"after": after} if after else {})
            cursors[execution["id"]] = page["next"] or after or ""
            yield from map(_as_text, page["lines"])

    def _why(self, job_id: str) -> str:
        return json.dumps(self._call("GET", f"/jobs/{job_id}/why"), indent=2, ensure_ascii=False)

    def _call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        answer = self._send(method, path, **request)
        if answer.is_error:
            raise DemoFailed(f"{method} {path} was answered {answer.status_code}: {answer.text}")
        body: dict[str, Any] = answer.json()
        return body

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        assert self._api is not None, "run() opens the connection."
        return self._api.request(method, path, **request)


def _as_text(line: dict[str, Any]) -> str:
    text = f"{line['time'][11:23]} {line['level']:<5} {line['message']}"
    colour = COLOURS.get(line["level"])
    return f"{colour}{text}{PLAIN}" if colour and sys.stdout.isatty() else text


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
