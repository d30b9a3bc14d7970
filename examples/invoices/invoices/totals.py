"""Totals by customer."""

from __future__ import annotations

import csv
import logging
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal

from invoices.shapes import BusinessError, Order, Selection

log = logging.getLogger("invoices")
TABLE = Path(__file__).parent.parent / "data" / "invoices.csv"
REPORT = Path("report.csv")  # in the job's working directory


def run(
    selection: Selection | None = None,
    order: Order = Order.CUSTOMER,
    bad_rows: Literal["fail", "skip"] = "fail",
) -> dict[str, Any]:
    """Add up the invoices by customer and write a report.

    Args:
        selection: Which invoices count; all in euros unless said otherwise.
        order: By what the report is sorted.
        bad_rows: What to do with a row that makes no sense.

    Returns:
        The totals by customer, and where the report is.
    """
    # A job's parameters are JSON: an object stands for a dataclass, a text for a member of an enumeration.
    chosen = selection if isinstance(selection, Selection) else Selection(**(selection or {}))
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for customer, amount in amounts(chosen, skips_bad_rows=bad_rows == "skip"):
        totals[customer] += amount
    rows = sorted(totals.items(), key=by_total if Order(order) is Order.TOTAL else by_customer)
    write_report(rows)
    log.info("%s customers, %s in all", len(rows), sum(totals.values()))
    return {"totals": {name: str(total) for name, total in rows}, "report": str(REPORT.resolve())}


def amounts(selection: Selection, *, skips_bad_rows: bool) -> Iterator[tuple[str, Decimal]]:
    """Yield customer and amount of every invoice that counts."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                amount = Decimal(row["amount"])
            except InvalidOperation:
                if not skips_bad_rows:
                    raise BusinessError(f"{TABLE.name}, line {number}: '{row['amount']}' is not an amount.") from None
                log.warning("Line %s of %s is skipped: '%s' is not an amount", number, TABLE.name, row["amount"])
                continue
            if counts(row, amount, selection):
                yield row["customer"], amount


def counts(row: dict[str, str], amount: Decimal, selection: Selection) -> bool:
    in_time = not selection.since or row["date"] >= selection.since
    return in_time and row["currency"] == selection.currency and amount >= Decimal(str(selection.at_least))


def by_customer(row: tuple[str, Decimal]) -> Any:
    return row[0]


def by_total(row: tuple[str, Decimal]) -> Any:
    return -row[1], row[0]


def write_report(rows: list[tuple[str, Decimal]]) -> None:
    with REPORT.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["customer", "total"])
        writer.writerows(rows)
    log.info("The report is in %s", REPORT)
