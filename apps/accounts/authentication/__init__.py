"""The doors through which programs and signed-in people come in."""

from apps.accounts.authentication.keys import ApiTokenAuthentication
from apps.accounts.authentication.sessions import PeopleAtSessions, SessionAuthentication, mark_fresh

__all__ = ["ApiTokenAuthentication", "PeopleAtSessions", "SessionAuthentication", "mark_fresh"]
