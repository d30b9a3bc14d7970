"""Letting jobs go that ended long ago, with all that hangs on them."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Max

from apps.core.actors import Actor
from apps.core.keeping import Gone, Keeping, delete, hold
from apps.jobs.models import Artefact, BulkChange, Job, forgetting
from apps.jobs.services.artefacts import ARTEFACTS
from apps.rbac import services as rbac

_ARTEFACTS_OF_JOBS = "DELETE FROM jobs_artefact WHERE job_id = ANY(%(ids)s) RETURNING storage_name"
#: Children first. What people were let into one by one is written down by the text of the id.
_WITH_JOBS = (
    "DELETE FROM jobs_jobtoken t USING jobs_execution e WHERE e.job_id = ANY(%(ids)s) AND t.execution_id = e.id",
    "DELETE FROM jobs_execution WHERE job_id = ANY(%(ids)s)",
    """
    DELETE FROM guardian_userobjectpermission p USING django_content_type c
    WHERE c.app_label = 'jobs' AND c.model = 'job' AND p.content_type_id = c.id
      AND p.object_pk = ANY(SELECT id::text FROM unnest(%(ids)s::uuid[]) AS gone(id))
    """,
    "DELETE FROM jobs_job WHERE id = ANY(%(ids)s)",
)


@transaction.atomic
def forget_old_jobs(keeping: Keeping, *, actor: Actor, limit: int) -> Gone:
    """Delete up to ``limit`` jobs that ended too long ago, with their executions, tokens and files.

    One that is retried or has started others goes after those. Their logs and steps go by their own time.
    """
    rbac.require(actor, "jobs.delete_job", rbac.EVERYWHERE)
    going = forgetting.needed_by_nobody(hold(Job, forgetting.old_jobs(keeping, limit)))
    if not going:
        return Gone()
    newest = Job.objects.filter(pk__in=going).aggregate(newest=Max("finished_at"))["newest"]
    ARTEFACTS.remove_named(delete(_ARTEFACTS_OF_JOBS, going))
    for statement in _WITH_JOBS:
        delete(statement, going)
    return Gone(len(going), newest)


@transaction.atomic
def forget_old_artefacts(keeping: Keeping, *, actor: Actor, limit: int) -> Gone:
    """Delete up to ``limit`` files that ended jobs left too long ago."""
    rbac.require(actor, "jobs.delete_artefact", rbac.EVERYWHERE)
    going = hold(Artefact, forgetting.old_artefacts(keeping, limit))
    ARTEFACTS.remove_named(delete("DELETE FROM jobs_artefact WHERE id = ANY(%(ids)s) RETURNING storage_name", going))
    return Gone(len(going))


@transaction.atomic
def forget_old_bulk_changes(keeping: Keeping, *, actor: Actor, limit: int) -> Gone:
    """Delete up to ``limit`` requests to change many jobs that were worked off long ago."""
    rbac.require(actor, "jobs.delete_bulkchange", rbac.EVERYWHERE)
    going = hold(BulkChange, forgetting.old_bulk_changes(keeping, limit))
    delete("DELETE FROM jobs_bulkchange WHERE id = ANY(%(ids)s)", going)
    return Gone(len(going))
