"""Names of time zones."""

from __future__ import annotations

import zoneinfo

from django.core.exceptions import ValidationError


def known_time_zone(value: str) -> None:
    """Refuse a name that is no IANA time zone."""
    if value not in zoneinfo.available_timezones():
        raise ValidationError(f"“{value}” is not a known time zone. Use a name such as Europe/Paris.")
