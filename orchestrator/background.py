"""Celery's two processes."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from celery import signals
from celery.utils.nodenames import host_format

from orchestrator import lanes
from orchestrator.celery import app
from orchestrator.levels import LevelFollower
from orchestrator.time_limits import TimeLimits

# Django's checks, which are for whoever develops: they would have each lane load all of the admin and the API.
SKIP_CHECKS = "CELERY_SKIP_CHECKS"


# What each lane would load by itself.
LOADED_BEFORE = (
    "celery.apps.worker",
    "celery.concurrency.thread",
    "celery.worker.autoscale",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.consumer.delayed_delivery",
    "celery.worker.strategy",
    "kombu.transport.redis",
)


def run_worker(*, queues: Sequence[str], threads: int, ready_file: Path | None) -> None:
    """Run a worker until a signal ends it: for each queue a process, and in it so many tasks at once."""
    _remove(ready_file)
    os.environ[SKIP_CHECKS] = "1"
    app.loader.import_default_modules()
    app.finalize()
    for module in LOADED_BEFORE:
        importlib.import_module(module)
    gc.freeze()  # Collecting would write to the memory that the lanes share.
    lanes.keep_running(queues, partial(_work, threads), on_ready=lambda: _make(ready_file))


def _work(threads: int, queue: str, tell_ready: Callable[[], None]) -> None:
    """Take the tasks of one queue. Threads: tasks wait for the database, and one process is enough."""
    TimeLimits().start()
    LevelFollower().start()
    signals.worker_ready.connect(lambda **_: tell_ready(), weak=False)
    worker = app.Worker(
        hostname=host_format(f"worker-{queue}-{os.getpid()}@%h"),
        queues=[queue],
        pool_cls="threads",
        concurrency=threads,
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    sys.exit(worker.exitcode)


def run_beat(*, ready_file: Path | None) -> None:
    """Run beat until a signal ends it. Its schedule is in the database; nothing is kept in files."""
    _remove(ready_file)
    signals.beat_init.connect(lambda **_: _make(ready_file), weak=False)
    app.start(["--quiet", "beat", f"--scheduler={app.conf.beat_scheduler}", "--pidfile="])


def _make(ready_file: Path | None) -> None:
    """Make the file by which a supervisor sees that the process works."""
    if ready_file is not None:
        ready_file.touch()


def _remove(ready_file: Path | None) -> None:
    """Remove what an earlier process has left."""
    if ready_file is not None:
        ready_file.unlink(missing_ok=True)
