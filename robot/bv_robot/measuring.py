"""What a robot tells of itself: figures with every sync, and facts about its machine with every session."""

from __future__ import annotations

import functools
import platform
import subprocess
import time

import psutil

from bv_robot import __version__, environments, platforms
from bv_robot.desk import Desk
from bv_robot.spool import Record

SAMPLE_EVERY = 60.0
"""Seconds between two syncs whose figures the orchestrator keeps for its charts."""
UV_SECONDS = 10.0


class Measuring:
    """Takes the figures of one robot. Called by the sync loop alone, so it takes nothing slow but once a minute."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sampled_at = float("-inf")
        self._environments = 0

    def report(self) -> Record:
        """The ``metrics`` of a sync, and ``sample`` where they are to be kept."""
        now = platforms.steady()
        is_sample = now - self._sampled_at >= SAMPLE_EVERY
        if is_sample:
            self._sampled_at = now
            self._environments = environments.count(self._desk.home.environments)
        return {"metrics": self._metrics()} | ({"sample": True} if is_sample else {})

    def _metrics(self) -> Record:
        disk = psutil.disk_usage(str(self._desk.home.root))
        return {
            "cpu": round(psutil.cpu_percent() / 100, 3),
            "memory": round(psutil.virtual_memory().percent / 100, 3),
            "disk": round(disk.percent / 100, 3),
            "disk_free": disk.free,
            "load": round(psutil.getloadavg()[0] / (psutil.cpu_count() or 1), 3),
            "spool_depth": len(self._desk.delivering()),
            "environments": self._environments,
            "clock": round(time.time(), 3),
        }


def facts_of_host() -> Record:
    """What a session says about the machine: version of the robot, host name, system, Python, uv, size."""
    return {
        "version": __version__,
        "hostname": platform.node(),
        "os": platform.platform(),
        "python": platform.python_version(),
        "uv": uv_version(),
        "processors": psutil.cpu_count() or 1,
        "memory": psutil.virtual_memory().total,
    }


@functools.cache
def uv_version() -> str:
    """The version of the uv that builds environments; empty where it cannot be run."""
    command = [environments.uv_binary(), "--version"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=UV_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    # It says "uv 0.9.7", and on some builds more in brackets.
    return done.stdout.removeprefix("uv ").partition(" ")[0].strip()
