"""How mail leaves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from email.utils import parseaddr
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from apps.configuration.rules.kinds import Group, integer, switch, text
from apps.core.errors import Problem

PORT, PORT_WITH_SSL = 587, 465
_HOST: Final = re.compile(r"[0-9A-Za-z]([0-9A-Za-z._-]{0,251}[0-9A-Za-z])?|\[?[0-9A-Fa-f:]{2,39}\]?")


def _host_problem(value: str) -> str:
    return (
        ""
        if not value or _HOST.fullmatch(value)
        else "This is the name or the address of a host, such as smtp.example.com."
    )


def _sender_problem(value: str) -> str:
    """Say why a text is no sender: an address, with a name in front or without."""
    if not value:
        return ""
    try:
        validate_email(parseaddr(value)[1])
    except ValidationError:
        return "This is an address such as robots@example.com, or Robots <robots@example.com>."
    return ""


def _tell(values: Mapping[str, Any]) -> dict[str, Any]:
    usual = PORT_WITH_SSL if values["smtp_use_ssl"] else PORT
    return {"smtp_port": values["smtp_port"] or usual, "smtp_password_set": bool(values["smtp_password"])}


def _clashes(values: Mapping[str, Any]) -> Iterator[Problem]:
    if values["smtp_use_tls"] and values["smtp_use_ssl"]:
        yield Problem("smtp_use_ssl", "TLS (after STARTTLS) and SSL (from the start) exclude each other: choose one.")
    missing = [key for key in ("smtp_host", "smtp_port", "from_address") if not values[key]]
    if values["enabled"]:
        said = f"Missing required fields when email is enabled: {', '.join(missing)}."
        yield from (Problem(key, said, "required") for key in missing)
    if values["smtp_password"] and not values["smtp_username"]:
        yield Problem("smtp_username", "A password without a user name is of no use: name the user.", "required")


EMAIL: Final = Group(
    "email",
    "Mail",
    "How invitations, links for a new password and other mails leave.",
    (
        switch("enabled", "Mail is sent", "Switched off, mail waits; it is given up when it is too old."),
        text("smtp_host", "Server", "The host that takes mail for delivery.", check=_host_problem),
        integer("smtp_port", "Port", f"Usual: {PORT}, with SSL {PORT_WITH_SSL}.", None, 1, 65535),
        text("smtp_username", "User", "Empty: without signing in there."),
        text("smtp_password", "Password", "Kept sealed and never shown again.", secret=True),
        switch("smtp_use_tls", "TLS", "Begins in the clear, and encrypts before anything is said (STARTTLS)."),
        switch("smtp_use_ssl", "SSL", "Encrypts from the start."),
        text("from_address", "Sender", "What mail comes from.", check=_sender_problem),
    ),
    told=("smtp_password_set",),
    tell=_tell,
    clashes=_clashes,
    icon="mail",
    is_told_to_tenants=False,
)
