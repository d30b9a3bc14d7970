"""The settings there are: what each is called, what it takes, and what holds while nobody has set it.

A further group is one more entry of ``GROUPS``; what reads it asks ``Setting.objects.in_force``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from apps.core.errors import Invalid

#: Days that things may be kept for.
FEWEST_DAYS, MOST_DAYS = 1, 3650
#: The trail is evidence: nobody can have it go within the time in which something would be noticed.
FEWEST_AUDIT_DAYS = 30


class ValueType(StrEnum):
    """What a value is."""

    STRING = "string"
    INTEGER = "int"
    BOOLEAN = "bool"
    JSON = "json"


_PYTHON: Final[dict[ValueType, type]] = {
    ValueType.STRING: str,
    ValueType.INTEGER: int,
    ValueType.BOOLEAN: bool,
    ValueType.JSON: object,
}
_IN_WORDS: Final = {
    ValueType.STRING: "text",
    ValueType.INTEGER: "a whole number",
    ValueType.BOOLEAN: "true or false",
    ValueType.JSON: "any JSON",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One setting. ``low`` and ``high`` bound a number; a tenant may have its own value where ``per_tenant``."""

    key: str
    title: str
    says: str
    type: ValueType
    default: Any
    low: int | None = None
    high: int | None = None
    unit: str = ""
    per_tenant: bool = False

    def problem_of(self, value: Any) -> str:
        """Say what is wrong with a value; nothing if it is fit."""
        # True is an integer to Python, and to nobody else.
        if not isinstance(value, _PYTHON[self.type]) or (self.type is ValueType.INTEGER and isinstance(value, bool)):
            return f"This is {_IN_WORDS[self.type]}."
        return f"This is a number from {self.low} to {self.high}." if self._is_out_of_bounds(value) else ""

    def _is_out_of_bounds(self, value: Any) -> bool:
        return (self.low is not None and value < self.low) or (self.high is not None and value > self.high)


@dataclass(frozen=True, slots=True)
class Group:
    """Settings that belong together."""

    name: str
    title: str
    says: str
    settings: tuple[Known, ...]

    def find(self, key: str) -> Known | None:
        """Return the setting of this key."""
        return next((one for one in self.settings if one.key == key), None)

    @property
    def keys(self) -> list[str]:
        """The keys of its settings, in the order in which they are shown."""
        return [one.key for one in self.settings]


def _days(key: str, title: str, default: int, says: str, *, low: int = FEWEST_DAYS, per_tenant: bool = False) -> Known:
    return Known(
        key=key,
        title=title,
        says=says,
        type=ValueType.INTEGER,
        default=default,
        low=low,
        high=MOST_DAYS,
        unit="days",
        per_tenant=per_tenant,
    )


RETENTION: Final = Group(
    "retention",
    "How long things are kept",
    "What is older goes by itself, a little at a time. Nothing goes that something unfinished needs.",
    (
        Known(
            key="retention_enabled",
            title="Let old things go",
            says="Switched off, nothing goes at all, and the database grows.",
            type=ValueType.BOOLEAN,
            default=True,
        ),
        _days(
            "jobs_retention_days",
            "Jobs",
            30,
            "Counted from their end, with their executions and files. A process may say otherwise for its own.",
            per_tenant=True,
        ),
        _days(
            "artefacts_retention_days",
            "Files that jobs left",
            30,
            "Counted from when they were kept; never longer than their job.",
            per_tenant=True,
        ),
        _days("job_logs_retention_days", "Logs of jobs", 30, "Whole days go at once, for all tenants together."),
        _days("spans_retention_days", "Steps that jobs traced", 30, "Whole days go at once, for all tenants together."),
        _days(
            "queue_items_retention_days",
            "Items of queues",
            90,
            "Counted from the end of the last try, with all tries, leases and files. A queue may say otherwise.",
            per_tenant=True,
        ),
        _days(
            "firings_retention_days",
            "Firings of triggers",
            30,
            "What became of each due time. Those whose jobs are still there stay with them.",
            per_tenant=True,
        ),
        _days("events_retention_days", "Events", 30, "Whole months go at once. Whoever follows them must read sooner."),
        _days(
            "late_results_retention_days", "Late results", 30, "Delivered, and could not count. Whole months at once."
        ),
        _days(
            "audit_logs_retention_days",
            "Audit trail",
            400,
            "Whole months go at once. Their seals stay, so that what is left can still be verified.",
            low=FEWEST_AUDIT_DAYS,
        ),
    ),
)

GROUPS: Final[dict[str, Group]] = {group.name: group for group in (RETENTION,)}


def name_of(group: str, key: str) -> str:
    """Return what a setting is called where its group is not known from elsewhere."""
    return f"{group}.{key}"


def group_named(name: str) -> Group:
    """Return a group of settings. Raises ``Invalid``."""
    if name not in GROUPS:
        raise Invalid.field("group", f"There is no such group. There is: {', '.join(GROUPS)}.", code="unknown_group")
    return GROUPS[name]
