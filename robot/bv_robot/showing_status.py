"""``bv-robot status``: who the robots of a home are, whether they run, and what they have in hand."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

from bv_robot import __version__, config, operating, orders, problems, several, spool, telling
from bv_robot.config import Home
from bv_robot.spool import Spool

OF_LISTENER = ("pid", "session", "slots", "labels", "accepting", "problem", "trouble", "last_sync", "jobs")
ONLY_WHERE_SAID = ("problem", "trouble", "advice")
"""Facts that a person sees only where there is something to say."""
ALL_SECONDS = 600
"""A last sync less long ago is told in seconds, an older one by its time."""


def show(home: Home, *, name: str | None) -> None:
    """Print the facts about one robot, or about each of several: tables for a person, an object for a program.

    Raises:
        ConfigError: when no robot is called so.
    """
    facts = [facts_of(place) for place in several.homes(home, name)]
    if telling.is_for_a_person():
        for number, told in enumerate(facts):
            if number:
                telling.console.print()
            telling.console.print(_table(told))
    elif home.members and name is None:
        telling.say("status", home=str(home.root), keeper=several.keeper(home), robots=facts)
    else:
        telling.say("status", **facts[0])


def facts_of(home: Home) -> dict[str, Any]:
    """What can be told about the robot of a home, from its files alone."""
    identity = config.read_identity(home)
    facts: dict[str, Any] = {"version": __version__, "home": str(home.root), "enrolled": identity is not None}
    facts["paused"] = orders.is_paused(home)
    note, is_running = spool.read_note(home.status_file), operating.runs(home)
    if identity is None:
        waits = {name: note.get(name) for name in ("pid", "trouble")} if is_running else {}
        return facts | {"running": is_running} | waits
    memory = Spool(home.spool)
    waiting = [files for files in memory.executions() if files.has_result() and not files.is_delivered()]
    facts |= {"robot": identity.name, "orchestrator": identity.url, "running": is_running}
    facts |= {"undelivered": len(waiting), "quarantined": memory.quarantined()}
    if is_running:
        facts |= {name: note.get(name) for name in OF_LISTENER}
        facts["advice"] = problems.sentence(str(note.get("problem") or ""))
    return facts


def _table(facts: dict[str, Any]) -> Table:
    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        if name in ONLY_WHERE_SAID and not value:
            continue
        table.add_row(f"[bold]{name.replace('_', ' ')}[/]", escape(_shown(value)))
    return table


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ("\n" if any(isinstance(part, dict) for part in value) else ", ").join(map(_line, value)) or "none"
    if isinstance(value, float):
        ago = max(0.0, time.time() - value)
        return f"{ago:.0f} s ago" if ago < ALL_SECONDS else f"{datetime.fromtimestamp(value, UTC):%F %T} UTC"
    return str(value if value not in (None, "") else "–")


def _line(part: Any) -> str:
    """One line of a list: a job, something in quarantine, or a label."""
    if not isinstance(part, dict):
        return str(part)
    return f"{part['phase']}: {part['what']}" if "phase" in part else f"{part['path']}: {part['why']}"
