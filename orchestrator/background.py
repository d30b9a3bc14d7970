"""Celery's two processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import signals

from orchestrator.celery import app


def run_worker(*, threads: int, ready_file: Path | None) -> None:
    """Run a worker until a signal ends it. Threads: tasks wait for the database, and one process is enough."""
    signals.worker_ready.connect(_maker_of(ready_file), weak=False)
    name = f"worker-{os.getpid()}@%h"
    app.worker_main(
        ["--quiet", "worker", "--pool=threads", f"--concurrency={threads}", f"--hostname={name}", "--without-gossip",
         "--without-mingle"]
    )  # fmt: skip


def run_beat(*, ready_file: Path | None) -> None:
    """Run beat until a signal ends it. Its schedule is in the database; nothing is kept in files."""
    signals.beat_init.connect(_maker_of(ready_file), weak=False)
    app.start(["--quiet", "beat", f"--scheduler={app.conf.beat_scheduler}", "--pidfile="])


def _maker_of(ready_file: Path | None) -> Any:
    """Return a receiver that makes the file by which a supervisor sees that the process works."""

    def make_file(**_: Any) -> None:
        if ready_file is not None:
            ready_file.touch()

    return make_file
