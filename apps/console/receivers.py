"""Celery's own signals: what they tell about who is alive, and about what a task's log lines belong to."""

from __future__ import annotations

from typing import Any, Final

import structlog
from celery.signals import before_task_publish, task_postrun, task_prerun

from apps.console import services
from apps.console.rules import BEAT, TICK, instance_name
from apps.core import context
from apps.core.actors import Actor

#: The header in which a task carries the id of the request that asked for it.
REQUEST_ID: Final = "bv_request_id"


@before_task_publish.connect(sender=TICK, weak=False, dispatch_uid="console.note_beat")
def note_beat(**_: Any) -> None:
    """Note that beat is alive: it sends the tick, whether or not a worker ever takes it up.

    Celery logs what goes wrong here and sends the tick all the same.
    """
    services.note_role_seen(BEAT, instance=instance_name(), actor=Actor.system("tick"))


@before_task_publish.connect(weak=False, dispatch_uid="console.pass_request_id_on")
def pass_request_id_on(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Let a task know which request asked for it."""
    request_id = context.current().request_id
    if headers is not None and request_id:
        headers[REQUEST_ID] = request_id


@task_prerun.connect(weak=False, dispatch_uid="console.name_task_in_log")
def name_task_in_log(task_id: str, task: Any, **_: Any) -> None:
    """Put the task, and the request that asked for it, into each of its log lines."""
    request_id = getattr(task.request, REQUEST_ID, None)
    structlog.contextvars.bind_contextvars(
        task=task.name, task_id=task_id, **({"request_id": request_id} if request_id else {})
    )


@task_postrun.connect(weak=False, dispatch_uid="console.forget_task_in_log")
def forget_task_in_log(**_: Any) -> None:
    """Leave nothing of a task to the next one in this thread."""
    structlog.contextvars.unbind_contextvars("task", "task_id", "request_id")
