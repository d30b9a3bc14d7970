"""Addresses in mails."""

from __future__ import annotations

from apps.configuration.models import Setting
from apps.core.errors import Conflict


class NoPublicAddress(Conflict):
    """Nobody has said where people reach this installation, so no mail can lead there."""

    code = "no_public_url"


def link_to(path: str) -> str:
    """Return the full address of a path here. Raises ``NoPublicAddress``.

    It begins with what the settings say and never with what a request says: its Host is anybody's to choose.
    """
    base = str(Setting.objects.in_force("general")["public_url"]).rstrip("/")
    if not base:
        raise NoPublicAddress(
            "Mail with a link cannot be sent: set the public address of this installation first "
            "(Settings → This installation, general.public_url)."
        )
    return f"{base}/{path.lstrip('/')}"
