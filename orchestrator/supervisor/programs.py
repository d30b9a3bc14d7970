"""Which programs make up the system, and the order of their end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from orchestrator import embedded
from orchestrator.commands import SUPERVISED
from orchestrator.embedded.servers import Server
from orchestrator.supervisor import readiness
from orchestrator.supervisor.children import Program

HOST = "127.0.0.1"
# Robots go first, while there is still somebody to whom they can report. The graces add up to less than ten seconds.
ROBOT_RANK, ROLE_RANK, BROKER_RANK, DATABASE_RANK = range(4)
ROBOT_GRACE, ROLE_GRACE, BROKER_GRACE, DATABASE_GRACE = 4.5, 2.4, 0.6, 1.8
ROBOT_URGED_AFTER = 0.5  # Asked once a robot finishes what it does; asked again it ends that at once and reports it.


def of_server(server: Server) -> Program:
    """Return the program that runs an embedded server."""
    is_database = server.name == "postgres"
    return Program(
        server.name,
        server.command,
        server.environment,
        rank=DATABASE_RANK if is_database else BROKER_RANK,
        grace=DATABASE_GRACE if is_database else BROKER_GRACE,
        stop_signal=server.stop_signal,
        is_ready=server.is_ready,
        popen_options=server.popen_options,
    )


def of_web(data_dir: Path, port: int, live_url: str) -> Program:
    """Return the web role."""
    arguments = ("web", "--host", HOST, "--port", str(port))
    return _role(data_dir, live_url, *arguments, is_ready=partial(readiness.answers_http, port, "/health/live"))


def of_live(data_dir: Path, port: int, live_url: str) -> Program:
    """Return the role at which robots wait."""
    arguments = ("live", "--host", HOST, "--port", str(port))
    return _role(data_dir, live_url, *arguments, is_ready=partial(readiness.accepts_connections, port))


def of_background(name: str, data_dir: Path, live_url: str) -> Program:
    """Return the worker or beat, which tells by a file that it works."""
    sign = data_dir / f"{name}.ready"
    sign.unlink(missing_ok=True)
    return _role(data_dir, live_url, name, "--ready-file", str(sign), is_ready=sign.exists)


def of_command(data_dir: Path, live_url: str, *arguments: str) -> Program:
    """Return a management command that runs once."""
    return _role(data_dir, live_url, *arguments, is_ready=None)


def _role(data_dir: Path, live_url: str, *arguments: str, is_ready: Callable[[], bool] | None) -> Program:
    return Program(
        arguments[0],
        [sys.executable, str(embedded.CHECKOUT / "manage.py"), *arguments],
        environment(data_dir, live_url),
        rank=ROLE_RANK,
        grace=ROLE_GRACE,
        is_ready=is_ready,
        folder=embedded.CHECKOUT,
    )


def environment(data_dir: Path, live_url: str) -> dict[str, str]:
    """Return the environment of the roles: ours, and where they are."""
    ours = {"BV_DATA_DIR": str(data_dir), "BV_NO_BOOTSTRAP": "1", "PYTHONUNBUFFERED": "1", SUPERVISED: "1"}
    return {"LIVE_URL": live_url} | dict(os.environ) | ours | byte_code(data_dir)


def byte_code(data_dir: Path) -> dict[str, str]:
    """Return what keeps byte code with the data where it may not lie beside the sources.

    Containers often forbid the latter; without byte code two thirds of each start are compiling.
    """
    if not os.environ.get("PYTHONDONTWRITEBYTECODE"):
        return {}
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(data_dir / "byte-code")}
