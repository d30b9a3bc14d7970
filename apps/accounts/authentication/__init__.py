"""The doors through which programs and signed-in people come in."""

from apps.accounts.authentication.keys import ApiTokenAuthentication
from apps.accounts.authentication.sessions import (
    WAIT,
    Passwords,
    PeopleAtSessions,
    SessionAuthentication,
    SessionTokenAuthentication,
    begin,
    end,
)

__all__ = [
    "WAIT",
    "ApiTokenAuthentication",
    "Passwords",
    "PeopleAtSessions",
    "SessionAuthentication",
    "SessionTokenAuthentication",
    "begin",
    "end",
]
