"""The settings there are: what each is called, what it takes, and what holds while nobody has set it.

A further group is one more entry of ``GROUPS``; what reads it asks ``Setting.objects.in_force``.
"""

from __future__ import annotations

from typing import Final

from apps.configuration.rules.email import EMAIL
from apps.configuration.rules.general import GENERAL
from apps.configuration.rules.jobs import JOBS
from apps.configuration.rules.kinds import MASK, Group, Known, ValueType, name_of
from apps.configuration.rules.logging import LOGGING
from apps.configuration.rules.retention import RETENTION
from apps.configuration.rules.security import SECURITY
from apps.core.errors import Invalid

__all__ = ["GROUPS", "MASK", "Group", "Known", "ValueType", "group_named", "name_of"]

GROUPS: Final[dict[str, Group]] = {group.name: group for group in (GENERAL, SECURITY, JOBS, EMAIL, LOGGING, RETENTION)}


def group_named(name: str) -> Group:
    """Return a group of settings. Raises ``Invalid``."""
    if name not in GROUPS:
        raise Invalid.field("group", f"There is no such group. There is: {', '.join(GROUPS)}.", code="unknown_group")
    return GROUPS[name]
