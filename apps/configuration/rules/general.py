"""What the installation is called, and where it is."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from apps.configuration.rules.kinds import Group, text
from apps.core.time_zones import known_time_zone

LONGEST_NAME: Final = 60


def _zone_problem(value: str) -> str:
    try:
        known_time_zone(value)
    except ValidationError as error:
        return str(error.message)
    return ""


def _address_problem(value: str) -> str:
    """Say why a text is no address that links can begin with."""
    if not value:
        return ""
    try:
        parts = urlsplit(value)
        is_fit = parts.scheme in ("https", "http") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_fit = False
    if not is_fit or "@" in value or any(sign in value for sign in "?# \\<>\"'"):
        return "This is an address such as https://orchestrator.example.com, without user, query or fragment."
    return ""


def _name_problem(value: str) -> str:
    return "" if 1 <= len(value.strip()) <= LONGEST_NAME else f"This is a name of 1 to {LONGEST_NAME} characters."


GENERAL: Final = Group(
    "general",
    "This installation",
    "What it is called, and where people find it.",
    (
        text(
            "timezone",
            "Time zone",
            "An IANA name such as Europe/Paris: of new people, and of pages for who is not signed in. "
            "Each person may choose another.",
            "UTC",
            check=_zone_problem,
        ),
        text(
            "public_url",
            "Public address",
            "Where people reach this installation. Every link in a mail begins with it; without it, no mail that "
            "needs a link is sent.",
            check=_address_problem,
        ),
        text(
            "instance_name",
            "Name",
            "It stands over every page and in every mail.",
            "BV Orchestrator",
            check=_name_problem,
        ),
    ),
    icon="home_work",
)
