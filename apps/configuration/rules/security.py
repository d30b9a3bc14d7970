"""How people sign in."""

from __future__ import annotations

from typing import Final

from apps.configuration.rules.kinds import Group, integer, switch

SECURITY: Final = Group(
    "security",
    "Signing in",
    "What holds for everybody who signs in here.",
    (
        integer(
            "max_failed_logins",
            "Failed sign-ins",
            "So many from one place in a row, and that place must wait.",
            5,
            1,
            100,
        ),
        integer("lockout_minutes", "Wait after them", "", 15, 1, 1440, unit="minutes"),
        integer("session_hours", "Length of a session", "After it one signs in again.", 8, 1, 168, unit="hours"),
        switch("mfa_required", "Administrators need a second factor", "Without one they can only set one up."),
        switch(
            "allow_registration",
            "Anybody may register",
            "Who confirms an e-mail address gets a tenant of their own.",
        ),
    ),
    icon="lock",
)
