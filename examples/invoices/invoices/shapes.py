"""The words this automation uses for what it is told to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Order(Enum):
    """By what the report is sorted."""

    CUSTOMER = "customer"
    TOTAL = "total"


@dataclass
class Selection:
    """Which invoices count.

    Attributes:
        currency: Three letters; invoices in other currencies are left out.
        since: The first day that counts, such as 2026-01-31; empty for all.
        at_least: Smaller amounts are left out.
    """

    currency: str = "EUR"
    since: str = ""
    at_least: float = 0


class BusinessError(Exception):
    """The data is wrong, not the program: trying again will not help, a person must look."""
