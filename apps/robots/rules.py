"""Pure facts about machines and robots."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address, ip_network
from itertools import count
from typing import Any, Final

#: The most jobs that one robot runs at once.
MOST_SLOTS = 64
#: The most robots that introduce themselves on one machine; an operator may make more.
MOST_ROBOTS_ON_MACHINE = 200
#: After so long a silence a robot that came for one job is taken for gone. Before, its result may wait for us.
GONE_AFTER: Final = timedelta(days=1)

_HASH = re.compile(r"[0-9a-fA-F]{64}")
_LABEL = re.compile(r"[a-z0-9][a-z0-9._:/=-]{0,62}")
MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is the matter with a robot, and what somebody can do about it."""

    says: str
    fix: str


#: How the error of a robot begins whose program was turned away; it goes with the next session.
REFUSED: Final = "turned away: "
#: What somebody asked for at the robot's machine: it takes nothing new, and nothing is wrong.
ORDERED: Final = ("paused", "stopping")
#: What a robot reports of itself, by its word for it.
PROBLEMS: Final = {
    "paused": Trouble(
        "Somebody paused it on its machine: it finishes what runs and takes nothing new.",
        "Let it go on there: bv-robot resume",
    ),
    "stopping": Trouble(
        "It was asked to end: it finishes what runs and takes nothing new.",
        "Start it again on its machine: bv-robot run",
    ),
    "spool_full": Trouble(
        "Its disk is almost full, so it takes nothing new; what runs goes on.",
        "Make room on its machine (bv-robot cleanup), or keep less of the disk free by its settings.",
    ),
    "spool_unusable": Trouble(
        "It cannot write its spool, where it keeps what it was given, so it takes nothing new.",
        "See on its machine who owns its home and whether the disk is mounted for writing: bv-robot doctor",
    ),
    "spool_quarantined": Trouble(
        "It put a damaged or unknown record of its spool into quarantine.",
        "See which and where on its machine (bv-robot status), and remove it once you have looked into it.",
    ),
    "result_in_memory": Trouble(
        "It keeps a result in memory, because its disk does not take it. A restart of the machine would lose it.",
        "Make room on its disk, and leave the robot running until then.",
    ),
    "token_not_stored": Trouble(
        "It could not store its new token, and goes on trying.",
        "Make room on its disk, and see that its user may write its home: bv-robot doctor",
    ),
    "two machines share one identity": Trouble(
        "Two machines share its identity: probably its home was copied, or a machine was cloned with it.",
        "Stop the copy and enrol it under a name of its own. Then clear the error.",
    ),
    "two processes share one session": Trouble(
        "Two processes share one session: probably a machine was cloned while the robot ran.",
        "Stop the copy and enrol it under a name of its own. Then clear the error.",
    ),
}


def trouble_of(problem: str) -> Trouble:
    """Say in words what a robot reports, or why it was put aside; what is not known stays as it was said."""
    if problem.startswith(REFUSED):
        return Trouble(f"It was {problem}", "It is let in by itself once its version is one that is taken.")
    says = f"It says: {problem.removesuffix('.')}." if problem else "It says that it takes nothing new, but not why."
    return PROBLEMS.get(problem) or Trouble(
        says, "Look at its log on its machine, and at what bv-robot doctor says there."
    )


@dataclass(frozen=True, slots=True)
class PushedSetting:
    """One thing that a robot can be told to do otherwise than its installation says, and what may be said of it."""

    name: str
    title: str
    least: float
    most: float
    is_whole: bool
    help: str

    def problem(self, value: Any) -> str:
        """Say what is wrong with a value; empty where nothing is."""
        kind: Any = int if self.is_whole else int | float
        if isinstance(value, bool) or not isinstance(value, kind) or not self.least <= value <= self.most:
            return f"must be a {'whole ' if self.is_whole else ''}number from {self.least:,} to {self.most:,}."
        return ""


#: What can be pushed to a robot. The longest pause stays below the silence after which a robot counts as offline.
PUSHED_SETTINGS: Final = {
    one.name: one
    for one in (
        PushedSetting("sync_min", "Shortest pause", 1, 60, False, "Seconds between two syncs while there is work."),
        PushedSetting("sync_max", "Longest pause", 1, 60, False, "Seconds between two syncs while there is none."),
        PushedSetting("log_every", "Log every", 0.5, 60, False, "Seconds between two pieces of a log nobody watches."),
        PushedSetting(
            "log_limit_bytes", "Longest log", 65_536, 10_737_418_240, True,
            "Bytes of log it sends for one execution. The server keeps no more than it is set to.",
        ),
        PushedSetting("memory_limit", "Memory for each job", 64, 4_194_304, True, "MiB. A job that needs more fails."),
        PushedSetting("cpu_limit", "Processors for each job", 0.1, 1024, False, "Cores that one job may use at most."),
        PushedSetting(
            "disk_reserve_bytes", "Disk kept free", 0, 1_099_511_627_776, True,
            "Bytes. With less free it takes no new work.",
        ),
    )
}  # fmt: skip


def wrong_settings(wanted: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with settings to be pushed to a robot, by name."""
    known = ", ".join(PUSHED_SETTINGS)
    wrong = {name: f"there is no such setting. There is: {known}." for name in wanted if name not in PUSHED_SETTINGS}
    wrong |= {
        name: text for name, one in PUSHED_SETTINGS.items() if name in wanted and (text := one.problem(wanted[name]))
    }
    if not wrong and wanted.get("sync_min", 0) > wanted.get("sync_max", math.inf):
        wrong["sync_min"] = "must not be longer than sync_max."
    return wrong


def normalise_signature(signature: str) -> str:
    """Return what identifies a host: 64 hex digits are taken as a hash, anything else is folded and hashed."""
    if _HASH.fullmatch(signature):
        return signature.lower()
    folded = " ".join(signature.split()).lower()
    return hashlib.sha256(folded.encode()).hexdigest() if folded else ""


def normalise_labels(labels: Iterable[str]) -> list[str]:
    """Return labels in lower case, sorted, each once."""
    return sorted({label.strip().lower() for label in labels if label.strip()})


def wrong_labels(labels: Iterable[str]) -> list[str]:
    """Return the labels that are not made of letters, digits and ``. _ : / = -``, at most 63 long."""
    return [label for label in labels if not _LABEL.fullmatch(label)]


def version_numbers(version: str) -> list[int]:
    """Return the leading numbers of a version such as ``1.4.0rc1``, for comparing; nothing for anything else."""
    match = re.match(r"\d{1,6}(?:\.\d{1,6}){0,2}", version)
    return [int(part) for part in match.group().split(".")] if match else []


def normalise_networks(networks: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return networks in their one form, such as ``10.1.0.0/16``, each once, and the texts that are none."""
    right: dict[str, None] = {}
    wrong = []
    for text in filter(None, (one.strip() for one in networks)):
        try:
            right[str(ip_network(text, strict=False))] = None
        except ValueError:
            wrong.append(text)
    return list(right), wrong


def is_in_networks(address: str | None, networks: Iterable[str]) -> bool:
    """Say whether an address is in one of the networks; where there are none, every address is."""
    wanted = [ip_network(one) for one in networks]
    return not wanted or (address is not None and any(ip_address(address) in one for one in wanted))


def free_name(wanted: str, taken: Iterable[str], *, longest: int = 100) -> str:
    """Return ``wanted``, or the first of ``wanted-2``, ``wanted-3`` and so on that is not taken in any case."""
    used = {name.lower() for name in taken}
    candidates = (wanted if number == 1 else _numbered(wanted, number, longest) for number in count(1))
    return next(name for name in candidates if name.lower() not in used)


def _numbered(name: str, number: int, longest: int) -> str:
    suffix = f"-{number}"
    return name[: longest - len(suffix)] + suffix
