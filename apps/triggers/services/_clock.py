"""The one clock by which triggers are due: the database's, which all workers share."""

from __future__ import annotations

from datetime import datetime

from apps.core import statements


def now() -> datetime:
    """Return the moment by the database's clock."""
    [(moment,)] = statements.fetch("SELECT statement_timestamp()", {})
    return moment  # type: ignore[no-any-return]
