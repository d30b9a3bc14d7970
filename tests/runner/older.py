"""What runners of before the sessions do, for the tests of their calls."""

from __future__ import annotations

from django.test import Client

from apps.robots.models import Robot
from tests import api, make

SIGNATURE = "Host  One"
LINE = {"timestamp": "2026-01-31T10:00:00Z", "level": "WARN", "message": "careful"}
#: Below what such runners call.
ROOTS = ["/api", "/api/v1", "/acme/orchestrator_", "/some/prefix/acme/orchestrator_"]


class Runner:
    """What an older runner does."""

    def __init__(self, client: Client, robot: Robot, token: str) -> None:
        self.client, self.robot, self.token = client, robot, token

    def post(self, path: str, **body):
        return self.client.post(path, body, content_type="application/json", headers={"X-Robot-Token": self.token})

    def get(self, path: str):
        return api.whole(self.client.get(path, headers={"X-Robot-Token": self.token}))

    def poll(self):
        return self.post("/api/runner/next-job", machine_signature=SIGNATURE).json()["job"]

    def job(self):
        """A job of a process in the robot's folder."""
        return make.job(make.process(make.folder(self.robot.tenant)))


def hello(key: str, **more) -> dict:
    return {
        "machine_key": key,
        "machine_signature": SIGNATURE,
        "machine_name": "host-1",
        "machine_info": {"os": "x"},
    } | more
