"""What a running job does about jobs of its own making: it starts them and reads how they are."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from apps.audit import services as audit
from apps.core import statements
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotFound
from apps.jobs.models import MOST_DEPTH, Execution, Job, with_latest_execution
from apps.jobs.services import _making, _settling
from apps.jobs.services._making import Wanted
from apps.jobs.services.leases import JobEnding, require_open
from apps.processes.models import Process
from apps.rbac import services as rbac


class TooDeep(Conflict):
    """The job stands so deep below the first that it may start no others."""

    code = "too_deep"


class TooManyJobs(Conflict):
    """The job, or the tree of jobs that it belongs to, has as many as it may; ``limit`` in the answer says how many."""

    code = "too_many_jobs"


#: How many the job has started, and how many the first job above it and all below that are. The second is counted no
#: further than matters; as other jobs of the tree are not held, those that start at this moment may come on top.
_FAMILY = """
    WITH RECURSIVE above (id, parent_id) AS (
        SELECT id, parent_id FROM jobs_job WHERE id = %(job)s
        UNION ALL
        SELECT j.id, j.parent_id FROM above a JOIN jobs_job j ON j.id = a.parent_id),
    tree (id) AS (
        SELECT id FROM above WHERE parent_id IS NULL
        UNION ALL
        SELECT j.id FROM tree t JOIN jobs_job j ON j.parent_id = t.id)
    SELECT (SELECT count(*) FROM jobs_job WHERE parent_id = %(job)s),
        (SELECT count(*) FROM (SELECT 1 FROM tree LIMIT %(most)s) AS counted)
"""


@transaction.atomic
def start_child(execution: Execution, *, actor: Actor, process: str, wanted: Wanted) -> Job:
    """Let a running job start one of a process, by name or id, that its own process allows.

    Holds the parent: whoever cancels it waits for this and finds the child, or was first, and there is none. Raises
    ``LeaseOver``, ``JobEnding``, ``TooDeep``, ``TooManyJobs``, ``NotFound`` for what is not allowed, and as
    ``create_job`` does.
    """
    rbac.require(actor, "jobs.start_children", execution)
    parent = _settling.lock_job_of(execution)
    require_open(execution)
    if parent.cancel_requested_at is not None or parent.stop_requested_at is not None:
        raise JobEnding("This job was asked to end, so it starts no others.", current=parent.status)
    if parent.depth >= MOST_DEPTH:
        raise TooDeep(f"Jobs start one another at most {MOST_DEPTH} deep, and this one is there.", depth=parent.depth)
    _refuse_flood(parent)
    child = _making.prepare(_startable(parent, process), [wanted], actor=actor, source="job")[0]
    child.parent, child.depth = parent, parent.depth + 1
    _making.insert([child])
    asked = {"process": str(child.process_id), "priority": child.priority, "parent": str(parent.pk)}
    audit.record(actor, "job.created", child, after=asked)
    _making.tell([child])
    return child


def find_child(execution: Execution, *, actor: Actor, child_id: UUID) -> Job:
    """Return a job that this one, at whichever try, has started, with its latest execution. Raises ``NotFound``."""
    rbac.require(actor, "jobs.start_children", execution)
    children = Job.objects.filter(parent_id=execution.job_id, tenant_id=execution.tenant_id)
    child = with_latest_execution(children.select_related("process")).filter(pk=child_id).first()
    if child is None:
        raise NotFound("This job has started no such job.", code="unknown")
    return child


def _refuse_flood(parent: Job) -> None:
    """Raise ``TooManyJobs`` before a program that starts jobs without end fills the line for everybody."""
    most, most_together = settings.JOB_CHILDREN_MOST, settings.JOB_TREE_MOST
    [(children, together)] = statements.fetch(_FAMILY, {"job": parent.pk, "most": most_together})
    if children >= most:
        raise TooManyJobs(f"This job has started {children} others; one starts at most {most}.", limit=most)
    if together >= most_together:
        raise TooManyJobs(
            f"Together with the job above it and all those below, these are {together} jobs; that is the most there "
            "may be.",
            limit=most_together,
        )


def _startable(parent: Job, named: str) -> Process:
    """Return the process that is meant, alike whether it is not there or not allowed; the own folder goes first."""
    allowed = Process.objects.alive().filter(started_by=parent.process_id, tenant_id=parent.tenant_id)
    found = list(allowed.select_related("folder", "package", "pinned_version").filter(_is_called(named)))
    near = [process for process in found if process.folder_id == parent.folder_id]
    if len(near or found) > 1:
        raise Invalid.field("process", "several processes have this name: give the id of the one that is meant.")
    if not found:
        raise NotFound(
            f"There is no process “{named}” that this job may start. Its own process names those it may.",
            code="unknown_process",
        )
    return (near or found)[0]


def _is_called(named: str) -> Q:
    try:
        return Q(pk=UUID(named)) | Q(name__iexact=named)
    except ValueError:
        return Q(name__iexact=named)
