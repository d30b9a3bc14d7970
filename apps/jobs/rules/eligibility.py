"""The one list of conditions under which a robot may take a job.

Each predicate is a named SQL condition over fixed aliases: ``r`` the robot, ``m`` its machine, ``s`` its current
session (null when there is none), ``n`` the tenant, ``p`` the process, ``j`` the job. A claim ANDs them; *Why?* selects
each on its own and shows those that fail. They cannot drift apart, because there is only this list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class About(StrEnum):
    """What a predicate looks at; a claim checks the cheap ones once and the job's own per job."""

    ROBOT = "robot"
    PROCESS = "process"
    JOB = "job"


@dataclass(frozen=True, slots=True)
class Predicate:
    """One condition: its SQL, what to say where it fails, and the nearest thing to do about it."""

    name: str
    about: About
    sql: str
    fails: str
    fix: str
    is_limit: bool = False


#: A robot is online while its current session was heard within this many seconds (parameter ``silence``).
_ONLINE = "s.id IS NOT NULL AND s.last_seen_at > statement_timestamp() - make_interval(secs => %(silence)s)"

#: What stands for the robot, its machine and its session, and for those of another one.
_ROBOT_ALIAS, _OTHER = re.compile(r"\b([rms])\."), r"\g<1>2."

_OPEN = "FROM jobs_execution e WHERE e.status = 'running' AND"

#: A brake that is on, and holds jobs.
_BRAKE = (
    "FROM tenancy_brake k WHERE k.lifted_at IS NULL AND k.holds_dispatch"
    " AND coalesce(k.until > statement_timestamp(), true)"
)
#: It is on everything or on the whole tenant; on the folder of the process or on one above it.
_ON_TENANT = "(k.tenant_id IS NULL OR k.tenant_id = r.tenant_id AND k.folder_id IS NULL)"
_ON_FOLDER = (
    "k.tenant_id = p.tenant_id AND EXISTS (SELECT 1 FROM tenancy_folder l, tenancy_folder o"
    " WHERE l.id = p.folder_id AND o.id = k.folder_id AND starts_with(l.path, o.path))"
)
#: Why, for the words: the brake that was set first.
BRAKE_FACTS = f"(SELECT k.reason {_BRAKE} AND {_ON_TENANT} ORDER BY k.id LIMIT 1) AS brake_reason"
FOLDER_BRAKE_FACTS = f"(SELECT k.reason {_BRAKE} AND {_ON_FOLDER} ORDER BY k.id LIMIT 1) AS folder_brake_reason"

#: The limits a process shares with others and that have too little left for one more of its jobs.
_FULL_LIMITS = """FROM processes_processlimit q
    JOIN processes_namedlimit t ON t.id = q.limit_id AND t.deleted_at IS NULL
    WHERE q.process_id = p.id AND q.units + (
        SELECT coalesce(sum(u.units), 0) FROM processes_processlimit u
        JOIN jobs_execution e ON e.process_id = u.process_id AND e.status = 'running' WHERE u.limit_id = t.id
    ) > t.capacity"""
LIMIT_FACTS = f"(SELECT string_agg(t.name, ', ' ORDER BY t.name) {_FULL_LIMITS}) AS full_limits"

#: The assets for one execution at a time that a process uses and that another execution has.
_TAKEN_ASSETS = """FROM processes_processasset q
    JOIN assets_asset a ON a.id = q.asset_id AND a.exclusive AND a.deleted_at IS NULL
    WHERE q.process_id = p.id AND EXISTS (
        SELECT 1 FROM processes_processasset u
        JOIN jobs_execution e ON e.process_id = u.process_id AND e.status = 'running' WHERE u.asset_id = a.id)"""
ASSET_FACTS = f"(SELECT string_agg(a.name, ', ' ORDER BY a.name) {_TAKEN_ASSETS}) AS taken_assets"

_WITHOUT_HISTORY: tuple[Predicate, ...] = (
    Predicate(
        "tenant_active", About.ROBOT, "n.status = 'active'",
        "the tenant is suspended", "resume the tenant",
    ),
    Predicate(
        "no_brake", About.ROBOT, f"NOT EXISTS (SELECT 1 {_BRAKE} AND {_ON_TENANT})",
        "the emergency brake is on: {brake_reason}", "lift the brake",
    ),
    Predicate(
        "robot_enabled", About.ROBOT, "r.enabled AND r.deleted_at IS NULL",
        "the robot is disabled", "enable the robot",
    ),
    Predicate(
        "robot_online", About.ROBOT, _ONLINE,
        "the robot is offline", "start bv-robot on its machine, or look at why it cannot reach the server",
    ),
    Predicate(
        "robot_sound", About.ROBOT, "r.error = ''",
        "the robot was put aside: {robot_error}", "{error_fix}",
    ),
    Predicate(
        "robot_not_in_maintenance", About.ROBOT,
        "NOT (r.maintenance AND coalesce(r.maintenance_until > statement_timestamp(), true))",
        "the robot is in maintenance: {maintenance_reason}", "end its maintenance",
    ),
    Predicate(
        "robot_not_draining", About.ROBOT, "NOT r.draining",
        "the robot is draining and takes nothing new", "stop draining it",
    ),
    Predicate(
        "robot_accepting", About.ROBOT, "coalesce(s.accepting, true)",
        "{trouble}", "{trouble_fix}",
    ),
    Predicate(
        "free_slot", About.ROBOT, f"(SELECT count(*) {_OPEN} e.robot_id = r.id) < r.slots",
        "its slots are all in use ({slots})", "wait, give it more slots, or add a robot", is_limit=True,
    ),
    Predicate(
        "process_enabled", About.PROCESS, "p.enabled AND p.deleted_at IS NULL",
        "the process is disabled", "enable the process",
    ),
    Predicate(
        "folder", About.PROCESS,
        "EXISTS (SELECT 1 FROM robots_robotfolder f WHERE f.robot_id = r.id AND f.folder_id = p.folder_id)",
        "it does not work for the folder {folder_name}", "add the folder to the robot",
    ),
    Predicate(
        "executor", About.PROCESS, "p.executor = ANY(coalesce(s.executors, ARRAY['robot']::varchar[]))",
        "the robot does not run this kind of work", "use a robot that does",
    ),
    Predicate(
        "labels", About.PROCESS, "(r.labels || m.labels) @> p.required_labels",
        "it lacks labels: {missing_labels}", "give the robot or its machine the label, or ask for fewer",
    ),
    Predicate(
        "version_floor", About.PROCESS,
        "p.robot_version_floor = '' OR coalesce(s.version, '{}') >= string_to_array(p.robot_version_floor, '.')::int[]",
        "its program is older than {version_floor}", "upgrade bv-robot there",
    ),
    Predicate(
        "no_folder_brake", About.PROCESS, f"NOT EXISTS (SELECT 1 {_BRAKE} AND {_ON_FOLDER})",
        "the emergency brake is on in its folder: {folder_brake_reason}", "lift the brake",
    ),
    Predicate(
        "process_limit", About.PROCESS,
        f"p.concurrency_limit IS NULL OR (SELECT count(*) {_OPEN} e.process_id = p.id) < p.concurrency_limit",
        "the process already runs {concurrency_limit} at once", "wait, or raise its limit", is_limit=True,
    ),
    Predicate(
        "shared_limits", About.PROCESS, f"NOT EXISTS (SELECT 1 {_FULL_LIMITS})",
        "what it shares with other processes is all in use: {full_limits}", "wait, or raise the limit", is_limit=True,
    ),
    Predicate(
        "assets_free", About.PROCESS, f"NOT EXISTS (SELECT 1 {_TAKEN_ASSETS})",
        "another execution has what only one may have: {taken_assets}", "wait for it to end", is_limit=True,
    ),
    Predicate(
        "legacy_scripts", About.JOB, "j.script_path = '' OR coalesce(s.legacy_scripts, false)",
        "the robot's configuration allows no scripts", "allow a script directory in its configuration",
    ),
    Predicate(
        "target", About.JOB,
        "coalesce(j.target_robot_id, p.target_robot_id, r.id) = r.id"
        " AND coalesce(j.target_machine_id, p.target_machine_id, r.machine_id) = r.machine_id",
        "the job is meant for another robot or machine", "change the target",
    ),
    Predicate(
        "due", About.JOB, "j.available_at <= statement_timestamp()",
        "the job is not due before {available_at}", "wait",
    ),
    Predicate(
        "start_deadline", About.JOB,
        "coalesce(j.start_deadline > statement_timestamp(), true)"
        " OR EXISTS (SELECT 1 FROM jobs_execution b WHERE b.job_id = j.id AND b.started_at IS NOT NULL)",
        "its deadline to start has passed", "run it again",
    ),
    Predicate(
        "value_limit", About.JOB,
        "p.limit_per_value IS NULL OR j.limit_value = '' OR"
        f" (SELECT count(*) {_OPEN} e.process_id = p.id AND e.limit_value = j.limit_value) < p.limit_per_value",
        "{limit_per_value} with this {limit_parameter} run already", "wait, or raise the limit", is_limit=True,
    ),
)  # fmt: skip


def _another_robot() -> str:
    """Return the SQL that says whether some other robot ``r2`` could take the job, leaving limits aside.

    It is made from the predicates themselves: were one left out, a job could wait for a robot that never takes it.
    """
    wanted = [one for one in _WITHOUT_HISTORY if not one.is_limit and one.name not in ("due", "start_deadline")]
    conditions = " AND ".join(f"({_ROBOT_ALIAS.sub(_OTHER, one.sql)})" for one in wanted)
    return f"""EXISTS (
        SELECT 1 FROM robots_robot r2
        JOIN robots_machine m2 ON m2.id = r2.machine_id
        JOIN robots_robotsession s2 ON s2.robot_id = r2.id AND s2.ended_at IS NULL
        WHERE r2.tenant_id = j.tenant_id AND r2.id <> r.id AND {conditions})"""


PREDICATES: tuple[Predicate, ...] = (
    *_WITHOUT_HISTORY,
    Predicate(
        "another_robot_first", About.JOB, f"j.last_robot_id IS DISTINCT FROM r.id OR NOT {_another_robot()}",
        "its last try failed here, and another robot can take it", "wait for the other robot",
    ),
)  # fmt: skip

BY_NAME = {predicate.name: predicate for predicate in PREDICATES}


def condition(*about: About, only: Iterable[str] | None = None) -> str:
    """Return the SQL that ANDs the predicates about ``about`` (all by default), or those named by ``only``."""
    wanted = [
        predicate
        for predicate in PREDICATES
        if (not about or predicate.about in about) and (only is None or predicate.name in only)
    ]
    return " AND ".join(f"({predicate.sql})" for predicate in wanted)


def failures() -> str:
    """Return one expression: a number with a bit for each predicate that fails, in their order; see ``named``."""
    bits = (f"CASE WHEN {one.sql} THEN 0 ELSE {1 << place} END" for place, one in enumerate(PREDICATES))
    return " + ".join(bits)


def named(failing: int) -> list[str]:
    """Return the names of the predicates that a number from ``failures`` says fail."""
    return [one.name for place, one in enumerate(PREDICATES) if failing >> place & 1]


def columns(*about: About) -> str:
    """Return a select list with one boolean column for each predicate (about ``about``), named after it."""
    wanted = (predicate for predicate in PREDICATES if not about or predicate.about in about)
    return ", ".join(f"coalesce({predicate.sql}, false) AS {predicate.name}" for predicate in wanted)
