"""What robots and running jobs may do: about themselves, and with what is in the folders they work for."""

from __future__ import annotations

from typing import Any, Final

from django.apps import apps
from django.db import models

from apps.core.actors import Actor

#: What a robot may do, and only to itself or to what it holds.
ROBOT_PERMISSIONS: Final = frozenset(
    {"robots.report_robot", "jobs.claim_job", "jobs.report_execution", "packages.download_packageversion"}
)
#: What a running job may do, and only about its own execution.
JOB_PERMISSIONS: Final = frozenset({"jobs.report_execution", "jobs.start_children"})
#: What both may do with assets, which hold below their folder as well.
REACHING_PERMISSIONS: Final = frozenset({"assets.view_asset", "assets.use_asset", "assets.set_asset"})
#: What both may do in the folders that the robot works for.
FOLDER_PERMISSIONS: Final = frozenset(
    {
        "queues.view_queue",
        "queues.take_queueitem",
        "queues.add_queueitem",
        "queues.view_filestore",
        "queues.add_storedfile",
        "queues.delete_storedfile",
    }
)


def allows(actor: Actor, permission: str, obj: Any) -> bool:
    """Say whether a robot or a running job may do something to a row."""
    tenant_id = getattr(obj, "tenant_id", None)
    if tenant_id is None or tenant_id != actor.tenant_id:
        return False
    if permission in FOLDER_PERMISSIONS:
        return folders_of(actor).filter(folder_id=getattr(obj, "folder_id", None)).exists()
    if permission in REACHING_PERMISSIONS:
        return folders_of(actor).filter(folder__path__startswith=obj.folder.path).exists()
    if actor.is_robot:
        return permission in ROBOT_PERMISSIONS and actor.id in (str(obj.pk), str(getattr(obj, "robot_id", "")))
    return permission in JOB_PERMISSIONS and actor.id == str(obj.pk)


def visible(queryset: Any, actor: Actor, permission: str) -> Any:
    """Narrow rows that are each in a folder to those of the folders a robot, or a running job's robot, works for."""
    if permission not in FOLDER_PERMISSIONS:
        return queryset.none()
    return queryset.filter(tenant_id=actor.tenant_id, folder_id__in=folders_of(actor).values("folder_id"))


def folders_of(actor: Actor) -> models.QuerySet[Any]:
    """Return for which folders a robot works, or the robot on which a job runs now."""
    working: models.QuerySet[Any] = apps.get_model("robots", "RobotFolder").objects.filter(tenant=actor.tenant_id)
    if actor.is_robot:
        return working.filter(robot_id=actor.id)
    running = apps.get_model("jobs", "Execution").objects.filter(pk=actor.id, status="running")
    return working.filter(robot_id__in=running.values("robot_id"))
