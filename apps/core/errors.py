"""The ways a request can be refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what was sent: where it is, what is wrong, and what would be right."""

    field: str
    message: str
    code: str = "invalid"


class DomainError(Exception):
    """A refusal the caller can do something about.

    The message is for the person who asked; ``code`` is for programs; ``extra`` are further members of the answer.
    """

    code = "refused"

    def __init__(self, message: str, *, code: str | None = None, **extra: Any) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.extra = extra


class Invalid(DomainError):
    """What was sent cannot be accepted; ``problems`` names every field that is wrong."""

    code = "invalid"

    def __init__(self, message: str, *, problems: Sequence[Problem] = (), code: str | None = None, **extra: Any):
        super().__init__(message, code=code, **extra)
        self.problems = list(problems)

    @classmethod
    def field(cls, name: str, message: str, *, code: str = "invalid") -> Invalid:
        """Refuse one field."""
        return cls(f"{name}: {message}", problems=[Problem(name, message, code)])


class NotSignedIn(DomainError):
    """Who asks is not known: the credential is missing, wrong, expired or revoked."""

    code = "not_signed_in"


class NotAllowed(DomainError):
    """The actor may not do this. Carries what was asked, so that the door can write the refusal down."""

    code = "not_allowed"

    def __init__(
        self,
        message: str,
        *,
        permission: str = "",
        target: Any = None,
        actor: Any = None,
        code: str | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message, code=code, **extra)
        self.permission = permission
        self.target = target
        self.actor = actor


class NotFound(DomainError):
    """There is no such thing, or the actor may not know of it: one answer for both."""

    code = "not_found"


class Conflict(DomainError):
    """The world has moved on since the caller last looked."""

    code = "conflict"


class Outdated(DomainError):
    """What the caller made a condition of its request holds no longer."""

    code = "outdated"


class TooLarge(DomainError):
    """More was sent than is taken."""

    code = "too_large"


class TooOften(DomainError):
    """The caller asks more often than it may. ``retry_after`` is in seconds."""

    code = "too_often"

    def __init__(self, message: str, *, retry_after: int, code: str | None = None, **extra: Any) -> None:
        super().__init__(message, code=code, **extra)
        self.retry_after = retry_after


class Unavailable(DomainError):
    """Not now: something this needs does not answer. ``retry_after`` is in seconds."""

    code = "unavailable"

    def __init__(self, message: str, *, retry_after: int = 5, code: str | None = None, **extra: Any) -> None:
        super().__init__(message, code=code, **extra)
        self.retry_after = retry_after
