"""Making the jobs that triggers want: many at once, of many processes, by a handful of statements."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.core import statements
from apps.core.actors import Actor
from apps.core.errors import DomainError, Invalid, Problem
from apps.events.rules import insert_sql
from apps.jobs.models import Job
from apps.jobs.services import _items, _making, _trees, _waking
from apps.jobs.services._making import ParameterCheck, Wanted
from apps.packages.rules import parameters as parameter_rules
from apps.processes.models import Process
from apps.rbac import services as rbac
from apps.tenancy import services as tenancy
from apps.tenancy.models import QuotaName

_MADE = "(SELECT id, tenant_id, folder_id, process_id, trigger_id FROM jobs_job WHERE id = ANY (%(jobs)s::uuid[])) made"
_TELL = insert_sql(
    "job.created",
    kind="job",
    source=_MADE,
    data="jsonb_build_object('status', 'pending', 'reason', '', 'process', process_id, 'trigger', trigger_id)",
)


@dataclass(frozen=True, slots=True)
class Triggered:
    """One job that a firing of a trigger wants."""

    process: Process
    wanted: Wanted
    trigger_id: UUID
    firing_id: UUID
    created_by: str


@transaction.atomic
def create_triggered_jobs(wishes: Sequence[Triggered], *, actor: Actor) -> list[Job | DomainError]:
    """Make the jobs that firings want, and return for each wish its job, or why there is none.

    One that cannot be made (``Invalid``, ``ProcessDisabled``, ``NothingToRun``) stops no other. Items that jobs are to
    own are held locked by the caller, and wait for nobody else.
    """
    rbac.require(actor, "jobs.add_job", rbac.EVERYWHERE)
    processes = {wish.process.pk: wish.process for wish in wishes}
    recipes = {pk: _recipe(process) for pk, process in processes.items()}
    answers = [_made(wish, recipes[wish.process.pk]) for wish in wishes]
    answers = _within_quotas(answers)
    jobs = [answer for answer in answers if isinstance(answer, Job)]
    if jobs:
        statements.insert_all(jobs)
        _reserve_items(zip(wishes, answers, strict=True), actor)
        statements.execute(_TELL, {"jobs": statements.array(job.pk for job in jobs)})
        _announce(jobs)
    return answers


@transaction.atomic
def replace_jobs(jobs: Collection[UUID], *, actor: Actor) -> int:
    """Cancel jobs, with all they have started, because newer ones of their triggers take their place.

    Returns how many that concerned; those that have ended meanwhile stay as they are.
    """
    rbac.require(actor, "jobs.cancel_job", rbac.EVERYWHERE)
    return len(_trees.cancel_all(_trees.lock_trees(jobs), data={"replaced": True})) if jobs else 0


def problems_of_wanted(process: Process, *, wanted: Wanted) -> list[Problem]:
    """Return what would be wrong with a job of a process, without making it. Raises as ``create_job`` does."""
    _, schema = _making.snapshot_of(process)
    values = {**process.parameters, **wanted.parameters}
    return _making.problems_of(process, wanted, values, parameter_rules.checker(schema))


_Recipe = tuple[dict[str, Any], ParameterCheck] | DomainError


def _recipe(process: Process) -> _Recipe:
    """Return what all jobs of a process have in common now, or why there can be none."""
    try:
        _making.refuse_disabled(process)
        snapshot, schema = _making.snapshot_of(process)
    except DomainError as refusal:
        return refusal
    return snapshot, parameter_rules.checker(schema)


def _made(wish: Triggered, recipe: _Recipe) -> Job | DomainError:
    if isinstance(recipe, DomainError):
        return recipe
    snapshot, check = recipe
    values = {**wish.process.parameters, **wish.wanted.parameters}
    if problems := _making.problems_of(wish.process, wish.wanted, values, check):
        return Invalid("; ".join(f"{p.field}: {p.message}" for p in problems[:10]), problems=problems)
    job = _making.make(wish.process, wish.wanted, values, snapshot, source="trigger", created_by=wish.created_by)
    job.trigger_id, job.firing_id = wish.trigger_id, wish.firing_id
    return job


def _within_quotas(answers: list[Job | DomainError]) -> list[Job | DomainError]:
    """Refuse what goes beyond the quotas of tenants; they are held in one order, so that nobody waits in a circle."""
    wanted = Counter(answer.tenant_id for answer in answers if isinstance(answer, Job))
    room = {pk: tenancy.room_for(pk, name=QuotaName.JOBS_PER_HOUR, wanted=wanted[pk]) for pk in sorted(wanted)}
    over = {pk: tenancy.exceeded(pk, name=QuotaName.JOBS_PER_HOUR) for pk in wanted if room[pk] < wanted[pk]}
    kept: list[Job | DomainError] = []
    for answer in answers:
        if isinstance(answer, Job):
            room[answer.tenant_id] -= 1
            kept.append(answer if room[answer.tenant_id] >= 0 else over[answer.tenant_id])
        else:
            kept.append(answer)
    return kept


def _reserve_items(made: Iterable[tuple[Triggered, Job | DomainError]], actor: Actor) -> None:
    by_tenant: dict[UUID, list[tuple[Job, Sequence[UUID]]]] = defaultdict(list)
    for wish, answer in made:
        if isinstance(answer, Job) and wish.wanted.queue_items:
            by_tenant[answer.tenant_id].append((answer, wish.wanted.queue_items))
    for owners in by_tenant.values():
        _items.reserve([job for job, _ in owners], [items for _, items in owners], actor=actor)


def _announce(jobs: Sequence[Job]) -> None:
    counted = Counter((job.tenant_id, job.folder_id) for job in jobs)
    first = {(job.tenant_id, job.folder_id): job for job in reversed(jobs)}
    for place, count in counted.items():
        _waking.announce_work(first[place], count=count)
