"""*Why?*: what keeps a job waiting and a robot idle, told by the very conditions a claim asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from apps.jobs.models.executions import Execution
from apps.jobs.models.jobs import Job, JobStatus
from apps.jobs.rules import eligibility
from apps.jobs.rules.eligibility import About, Predicate
from apps.robots import rules as robot_rules
from apps.robots.models import Robot

MOST_ROBOTS, MOST_JOBS = 50, 20
#: A place further back is only told as "more than".
FURTHEST_PLACE = 1000

_FACTS = f"""
    r.id AS robot_id, r.name AS robot_name, r.error AS robot_error, r.maintenance_reason, r.slots,
    coalesce(s.problem, '') AS problem, p.id AS process_id, p.name AS process_name, p.concurrency_limit,
    p.limit_per_value, p.limit_parameter, p.robot_version_floor AS version_floor,
    (SELECT name FROM tenancy_folder WHERE id = j.folder_id) AS folder_name,
    array_to_string(ARRAY(SELECT unnest(p.required_labels) EXCEPT SELECT unnest(r.labels || m.labels)), ', ')
        AS missing_labels,
    {eligibility.BRAKE_FACTS}, {eligibility.FOLDER_BRAKE_FACTS}, {eligibility.LIMIT_FACTS}, {eligibility.ASSET_FACTS},
    j.id AS job_id, j.available_at, j.priority
"""
_SOURCES = """
    FROM jobs_job j
    JOIN processes_process p ON p.id = j.process_id
    JOIN tenancy_tenant n ON n.id = j.tenant_id
    JOIN robots_robot r ON r.tenant_id = j.tenant_id AND r.deleted_at IS NULL
    JOIN robots_machine m ON m.id = r.machine_id
    LEFT JOIN robots_robotsession s ON s.robot_id = r.id AND s.ended_at IS NULL
"""
_PAIRS = f"SELECT {_FACTS}, {eligibility.columns()} {_SOURCES}"
#: Of all robots no more than what fails is fetched, as one number each; the words are for the nearest of them.
_FAILURES = f"""
    SELECT r.id, r.name, {eligibility.failures()} AS failing {_SOURCES}
    WHERE j.id = %(job)s AND (%(robots)s::uuid[] IS NULL OR r.id = ANY(%(robots)s))
"""
_ROBOTS_OF_JOB = f"{_PAIRS} WHERE j.id = %(job)s AND r.id = ANY(%(robots)s)"
_JOBS_OF_ROBOT = f"""{_PAIRS}
    WHERE r.id = %(robot)s AND j.id IN (
        SELECT c.id FROM processes_process q CROSS JOIN LATERAL (
            SELECT w.id FROM jobs_job w WHERE w.process_id = q.id AND w.status = 'pending'
            ORDER BY w.priority DESC, w.available_at, w.id LIMIT %(most)s) c
        WHERE q.tenant_id = r.tenant_id
          AND EXISTS (SELECT 1 FROM robots_robotfolder f WHERE f.robot_id = r.id AND f.folder_id = q.folder_id))
    ORDER BY j.priority DESC, j.available_at, j.id LIMIT %(most)s
"""
_ROBOT_ALONE = f"""
    SELECT r.error AS robot_error, r.maintenance_reason, r.slots, coalesce(s.problem, '') AS problem,
        {eligibility.BRAKE_FACTS}, {eligibility.columns(About.ROBOT)}
    FROM robots_robot r
    JOIN robots_machine m ON m.id = r.machine_id
    JOIN tenancy_tenant n ON n.id = r.tenant_id
    LEFT JOIN robots_robotsession s ON s.robot_id = r.id AND s.ended_at IS NULL
    WHERE r.id = %(robot)s
"""
#: Jobs of the folder that go first, counted process by process along the index of the line.
_AHEAD = """
    SELECT coalesce(sum(c.ahead), 0) FROM processes_process p CROSS JOIN LATERAL (
        SELECT count(*) AS ahead FROM (
            (SELECT 1 FROM jobs_job o
             WHERE o.process_id = p.id AND o.status = 'pending' AND o.available_at <= statement_timestamp()
               AND o.priority > %(priority)s LIMIT %(most)s)
            UNION ALL
            (SELECT 1 FROM jobs_job o
             WHERE o.process_id = p.id AND o.status = 'pending' AND o.available_at <= statement_timestamp()
               AND o.priority = %(priority)s AND (o.available_at, o.id) < (%(available_at)s, %(job)s)
             LIMIT %(most)s)) x) c
    WHERE p.tenant_id = %(tenant)s AND p.folder_id = %(folder)s
"""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One condition that does not hold: its name, what is the case, and the nearest thing to do."""

    name: str
    says: str
    fix: str


@dataclass(frozen=True, slots=True)
class RobotView:
    """A candidate robot and what keeps it from taking the job; nothing means that it will."""

    id: UUID
    name: str
    obstacles: list[Obstacle]


@dataclass(frozen=True, slots=True)
class JobView:
    """A waiting job and what keeps the robot from taking it."""

    id: UUID
    process_name: str
    priority: int
    obstacles: list[Obstacle]


@dataclass(frozen=True, slots=True)
class JobWhy:
    """Why a job is not running: in one sentence, by robot, and what is nearest to be done."""

    summary: str
    fix: str = ""
    ahead: int | None = None
    robot_count: int = 0
    robots: list[RobotView] = field(default_factory=list)
    #: How many robots each condition keeps away, by its name.
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RobotWhy:
    """Why a robot is idle: what is the matter with itself, and with the jobs first in line."""

    summary: str
    obstacles: list[Obstacle]
    jobs: list[JobView]


def why_job(job: Job, *, among: QuerySet[Robot] | None = None) -> JobWhy:
    """Explain why a job is not running, with three statements whatever the number of robots.

    ``among`` narrows which robots are told of, by one statement more.
    """
    if job.status != JobStatus.PENDING:
        return JobWhy(_not_waiting(job))
    known = None if among is None else list(among.filter(tenant_id=job.tenant_id).values_list("pk", flat=True))
    robots = _query(_FAILURES, job=job.pk, robots=known)
    counts: Counter[str] = Counter()
    for failing, count in Counter(row["failing"] for row in robots).items():
        counts.update(dict.fromkeys(eligibility.named(failing), count))
    views = _nearest_robots(job, robots)
    summary, fix = _nearest(views, counts, len(robots))
    return JobWhy(summary, fix, _ahead(job), len(robots), views, dict(counts.most_common()))


def why_robot(robot: Robot, *, among: QuerySet[Job] | None = None) -> RobotWhy:
    """Explain why a robot is idle: its own state first, then the jobs first in line in its folders.

    ``among`` narrows which jobs are told of.
    """
    (alone,) = _query(_ROBOT_ALONE, robot=robot.pk)
    obstacles = _obstacles(alone, About.ROBOT)
    rows = _query(_JOBS_OF_ROBOT, robot=robot.pk, most=MOST_JOBS)
    if among is not None and rows:
        known = set(among.filter(pk__in=[row["job_id"] for row in rows]).values_list("pk", flat=True))
        rows = [row for row in rows if row["job_id"] in known]
    jobs = [
        JobView(row["job_id"], row["process_name"], row["priority"], _obstacles(row, About.PROCESS, About.JOB))
        for row in rows
    ]
    return RobotWhy(_idle(obstacles, jobs), obstacles, jobs)


def _query(statement: str, **facts: Any) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"silence": settings.OFFLINE_AFTER, **facts})
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _obstacles(row: dict[str, Any], *about: About) -> list[Obstacle]:
    told = {name: _to_the_second(value) if isinstance(value, datetime) else value for name, value in row.items()}
    told |= _in_words(row["problem"])
    told["error_fix"] = _as_part(robot_rules.trouble_of(str(row.get("robot_error") or "")).fix)
    failing = (one for one in eligibility.PREDICATES if not about or one.about in about)
    return [_obstacle(one, told) for one in failing if not row[one.name]]


def _obstacle(predicate: Predicate, row: dict[str, Any]) -> Obstacle:
    return Obstacle(predicate.name, predicate.fails.format_map(row), predicate.fix.format_map(row))


def _in_words(problem: str) -> dict[str, str]:
    """Return what a robot reports as part of a sentence, and what to do about it."""
    trouble = robot_rules.trouble_of(problem)
    return {"trouble": _as_part(trouble.says), "trouble_fix": _as_part(trouble.fix)}


def _to_the_second(moment: datetime) -> str:
    """Write a moment down such that whoever shows the sentence can find it and tell it by their reader's clock."""
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="seconds")


def _nearest_robots(job: Job, robots: list[dict[str, Any]]) -> list[RobotView]:
    """Return the robots that lack least, with what keeps each of them from taking the job.

    Of two that lack one thing, the one that passes more of the list comes first: draining is nearer than offline.
    """
    nearest = sorted(robots, key=lambda row: (row["failing"].bit_count(), -row["failing"], row["name"]))[:MOST_ROBOTS]
    place = {row["id"]: number for number, row in enumerate(nearest)}
    rows = _query(_ROBOTS_OF_JOB, job=job.pk, robots=list(place))
    rows.sort(key=lambda row: place[row["robot_id"]])
    return [RobotView(row["robot_id"], row["robot_name"], _obstacles(row)) for row in rows]


def _nearest(views: list[RobotView], counts: Counter[str], robot_count: int) -> tuple[str, str]:
    """Say in one sentence what keeps the job waiting, from the robot that is nearest to taking it."""
    if not views:
        return "There is no robot in this tenant.", "Make a machine and enrol a robot on it."
    nearest = views[0]
    if not nearest.obstacles:
        return f"Nothing is in the way: {nearest.name} takes it on its next contact.", ""
    first = nearest.obstacles[0]
    shared = next((obstacle for obstacle in nearest.obstacles if counts[obstacle.name] == robot_count), None)
    if shared is not None and robot_count > 1:
        return f"No robot can take it: {shared.says}.", _sentence(shared.fix)
    return f"{nearest.name} is nearest to taking it, but {first.says}.", _sentence(first.fix)


def _idle(obstacles: list[Obstacle], jobs: Iterable[JobView]) -> str:
    if obstacles:
        return f"It takes no work because {obstacles[0].says}."
    jobs = list(jobs)
    if not jobs:
        return "There is no work: no job is pending in its folders."
    if any(not job.obstacles for job in jobs):
        return "Nothing is in the way: it takes a job on its next contact."
    return f"It is ready, but can take none of the {len(jobs)} jobs first in line."


def _ahead(job: Job) -> int:
    facts = {
        "job": job.pk,
        "tenant": job.tenant_id,
        "folder": job.folder_id,
        "priority": job.priority,
        "available_at": job.available_at,
        "most": FURTHEST_PLACE,
    }
    (row,) = _query(_AHEAD, **facts)
    return min(int(row["coalesce"]), FURTHEST_PLACE)


def _not_waiting(job: Job) -> str:
    match job.status:
        case JobStatus.WAITING:
            return "It waits for a person: its last try was lost, and what it did is unknown. Resume or settle it."
        case JobStatus.RUNNING | JobStatus.CANCELLING:
            execution = Execution.objects.open().filter(job=job).select_related("robot").first()
            robot = execution.robot.name if execution else "a robot"
            return f"It is {job.status} on {robot}."
    return f"It has ended: {job.status}."


def _as_part(sentence: str) -> str:
    return f"{sentence[:1].lower()}{sentence[1:]}".removesuffix(".")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
