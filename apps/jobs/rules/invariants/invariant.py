"""What an invariant is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Invariant:
    """One thing that must hold: its name, what it says in a sentence, and the SQL that finds what breaks it.

    The SQL selects the id of each offending row and, in words, what is wrong with it. Its parameters are ``ttl``,
    ``sweep_every`` (seconds) and ``log`` (what clients wrote down, as a JSON array).
    """

    name: str
    says: str
    sql: str


def gone_until(kind: str) -> str:
    """Return the SQL of how far retention has gone: of this kind nothing that ended later is missing."""
    return f"coalesce((SELECT max(until) FROM retention_pruning WHERE kind = '{kind}'), '-infinity')"
