"""What must be true of the rows at every moment, as SQL that finds what breaks it. Names are those of the design.

``apps.jobs.models.invariants`` runs them; they lock nothing and change nothing.
"""

from apps.jobs.rules.invariants.clients import OF_CLIENTS
from apps.jobs.rules.invariants.invariant import Invariant
from apps.jobs.rules.invariants.items import OF_ITEMS
from apps.jobs.rules.invariants.rows import OF_ROWS
from apps.jobs.rules.invariants.tenants import within_tenants
from apps.jobs.rules.invariants.triggers import OF_TRIGGERS

__all__ = ["OF_CLIENTS", "OF_ITEMS", "OF_ROWS", "OF_TRIGGERS", "Invariant", "within_tenants"]
