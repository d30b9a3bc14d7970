"""What the stand-in orchestrator answers to jobs themselves, and takes for them: files, spans, children."""

from __future__ import annotations

import hashlib
import hmac
import threading
import uuid
from typing import Any

from tests.robot.stand_in.faults import Answer, Refused
from tests.robot.stand_in.records import Artefact, Execution, Job

SECRET = b"of the stand-in"
FINAL = {"completed", "failed", "cancelled"}


class OfJobs:
    """A part of ``Decisions``. Its caller holds ``changed``."""

    changed: threading.Condition
    jobs: list[Job]
    gives_job_tokens: bool
    artefact_limit: int
    processes: dict[str, dict[str, Any]]
    children: dict[str, Job]
    said_of_items: list[tuple[str, str, Any]]
    stored: dict[str, bytes]

    def _known(self, lease: str) -> Execution:
        raise NotImplementedError

    def job_token(self, execution: Execution) -> str:
        """The same for every start of the same lease."""
        return "bvj_" + hmac.new(SECRET, execution.lease_id.encode(), "sha256").hexdigest()

    def _holder(self, token: str) -> Execution:
        """The running execution whose own token this is."""
        found = [job.last for job in self.jobs if job.executions and self.job_token(job.last) == token]
        if not found or found[0].status != "open" or not found[0].is_started:
            raise Refused(401, "bad_token")
        return found[0]

    def _artefact(self, lease: str, name: str, headers: dict[str, str], raw: bytes) -> Answer:
        kept = self._known(lease).artefacts
        sha256 = hashlib.sha256(raw).hexdigest()
        if len(raw) > self.artefact_limit:
            raise Refused(413, "too_large", limit=self.artefact_limit)
        if headers["x-content-sha256"] != sha256:
            raise Refused(400, "bad_sha256")
        if name in kept and kept[name].content != raw:
            raise Refused(409, "artefact_differs")
        answer = {"id": str(uuid.uuid4()), "name": name, "size": len(raw)}
        status = 200 if name in kept else 201
        kept.setdefault(name, Artefact(raw, headers["content-type"]))
        return Answer(status, answer)

    def _spans(self, execution_id: str, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        execution = self._holder(headers["x-robot-token"])
        if execution.id != execution_id:
            raise Refused(403, "job_token")
        execution.spans.extend(body["spans"])
        return Answer(202, {"accepted": len(body["spans"])})

    def _start_child(self, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        execution = self._holder(headers["x-robot-token"])
        key = headers["idempotency-key"]
        if key not in self.children:
            if body["process"] not in self.processes:
                raise Refused(404, "not_found")
            lease = self.processes[body["process"]] | {"parameters": body["parameters"]}
            child = Job(lease, parent=execution.job)
            self.jobs.append(child)
            self.children[key] = child
        return Answer(201, told(self.children[key]) | {"depth": 1})

    def _item_said(self, lease: str, verb: str, headers: dict[str, str], body: Any) -> Answer:
        self._holder(headers["x-robot-token"])
        self.said_of_items.append((lease, verb, body))
        return Answer(200, {"answer": "accepted"})

    def _file(self, method: str, name: str, headers: dict[str, str], raw: bytes) -> Answer:
        self._holder(headers["x-robot-token"])
        if method == "GET" and name not in self.stored:
            raise Refused(404, "unknown_file")
        if method == "GET":
            content = self.stored[name]
            return Answer(200, content, {"X-Content-SHA256": hashlib.sha256(content).hexdigest()})
        sha256 = hashlib.sha256(raw).hexdigest()
        if headers["x-content-sha256"] != sha256:
            raise Refused(400, "bad_sha256")
        status = 200 if name in self.stored else 201
        self.stored[name] = raw
        told = {"path": name, "size_bytes": len(raw), "sha256": sha256, "content_type": headers["content-type"]}
        return Answer(status, told)

    def _child(self, child_id: str, headers: dict[str, str]) -> Answer:
        return Answer(200, told(self._child_of(child_id, headers)))

    def _cancel_child(self, child_id: str, headers: dict[str, str]) -> Answer:
        child = self._child_of(child_id, headers)
        if child.status == "pending":
            child.status = "cancelled"
        child.ask = "cancel"
        return Answer(200, told(child))

    def _child_of(self, child_id: str, headers: dict[str, str]) -> Job:
        parent = self._holder(headers["x-robot-token"]).job
        child = next((job for job in self.jobs if job.id == child_id and job.parent is parent), None)
        if child is None:
            raise Refused(404, "not_found")
        return child


def told(job: Job) -> dict[str, Any]:
    """A child as its parent sees it."""
    report = job.executions[-1].report if job.executions and job.status in FINAL else None
    return {
        "id": job.id,
        "status": job.status,
        "process": job.lease["process"],
        "reason": "",
        "result": report and report["result"],
        "error": report and report["error"],
        "progress": None,
    }
