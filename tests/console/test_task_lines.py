"""Log lines of a task say which task they are of, and which request asked for it."""

import uuid
from queue import Queue

import pytest
import structlog
from celery import Celery
from celery.contrib.testing.worker import start_worker

from apps.core import context
from apps.core.context import RequestFacts

LINES: Queue = Queue()


@pytest.fixture(scope="module")
def task():
    """A task in a real worker of this process; each run puts what its log lines would carry into ``LINES``."""
    app = Celery("tests", set_as_current=False)
    app.conf.task_ignore_result = True
    app.conf.task_default_queue = f"lines-{uuid.uuid4()}"  # The tests beside this one may have the same broker.

    @app.task(name="tests.lines", shared=False)
    def lines():
        LINES.put(structlog.contextvars.get_contextvars())

    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=60, loglevel="CRITICAL"):
        yield lines


def test_a_task_is_named_in_its_lines(task):
    task.apply_async(task_id="t-1")

    assert LINES.get(timeout=20) == {"task": "tests.lines", "task_id": "t-1"}


def test_the_request_that_asked_is_named_too(task):
    with context.handling(RequestFacts("r-1")):
        task.apply_async(task_id="t-1")

    assert LINES.get(timeout=20) == {"task": "tests.lines", "task_id": "t-1", "request_id": "r-1"}


def test_nothing_is_left_to_the_next_task(task):
    with context.handling(RequestFacts("r-1")):
        task.apply_async(task_id="t-1")
    task.apply_async(task_id="t-2")

    assert [LINES.get(timeout=20)["task_id"], LINES.get(timeout=20)] == [
        "t-1",
        {"task": "tests.lines", "task_id": "t-2"},
    ]
