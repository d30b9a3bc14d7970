"""Servers for one test run: nobody's data, gone at the end, also when the run is killed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator import embedded
from orchestrator.embedded import places, servers
from orchestrator.embedded.postgres import Cluster
from orchestrator.embedded.servers import Server
from orchestrator.embedded.valkey import Broker
from orchestrator.supervisor import programs
from orchestrator.supervisor.supervisor import Supervisor


@contextmanager
def throwaway(say: Callable[[str], None]) -> Iterator[dict[str, str]]:
    """Have servers of one's own for the time of a block; yields the environment by which others find them.

    Only what the environment gives no address for is started.
    """
    folder = Path(tempfile.mkdtemp(prefix="bv-throwaway-"))
    folder.chmod(0o711)  # PostgreSQL's account must pass through where we are root.
    supervisor = Supervisor(folder / "logs", say=say)
    supervisor.guardian.remove_at_end(folder)
    supervisor.guardian.remove_at_end(places.socket_folder(folder))
    try:
        yield _start(folder, supervisor)
    finally:
        supervisor.stop()
        for leftover in (places.socket_folder(folder), folder):
            shutil.rmtree(leftover, ignore_errors=True)


def _start(folder: Path, supervisor: Supervisor) -> dict[str, str]:
    urls = embedded.urls(folder)
    wanted: dict[str, tuple[Server, str]] = {}
    if not embedded.is_given("DATABASE_URL"):
        wanted["DATABASE_URL"] = (Cluster.of(folder, is_durable=False), urls.database)
    if not embedded.is_given("CELERY_BROKER_URL"):
        wanted["CELERY_BROKER_URL"] = (Broker.of(folder), urls.broker)
    for server, _ in wanted.values():
        server.create()
        supervisor.start(programs.of_server(server))
    for server, _ in wanted.values():
        supervisor.wait_ready(server.name, timeout=servers.START_SECONDS)
        server.prepare()
    return {"BV_DATA_DIR": str(folder)} | {setting: url for setting, (_, url) in wanted.items()}
