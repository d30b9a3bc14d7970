"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.utils import timezone

from apps.core.errors import NotSignedIn

PERSON = "person"
SERVICE = "service"
ROBOT = "robot"
JOB = "job"
SYSTEM = "system"

#: For how long somebody who has proved who they are need not do it again, not even for what is most sensitive.
FRESH_FOR: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever asks for a change: a person, a service account, a robot, a running job, or the system itself.

    Every service takes one. There is no anonymous actor and no ``None``: work that nobody asked for is done in the
    name of ``Actor.system(...)``. ``tenant_id`` narrows what the credential reaches: an API key and a robot belong to
    one tenant, whatever else their user could do elsewhere. ``signed_in_at`` is when the person behind it last proved
    who they are; nobody does so behind a key.
    """

    kind: str
    id: str
    name: str
    tenant_id: UUID | None = None
    user: Any = field(default=None, compare=False, repr=False)
    signed_in_at: datetime | None = field(default=None, compare=False)

    @classmethod
    def person(cls, user: Any, *, tenant_id: UUID | None = None) -> Actor:
        """Return the actor behind a signed-in user, who may be a service account. Raises ``NotSignedIn``."""
        if user is None or user.is_anonymous or not user.is_active:
            raise NotSignedIn("Sign in first.")
        kind = SERVICE if user.is_service else PERSON
        return cls(kind, str(user.pk), user.get_username(), tenant_id or user.tenant_id, user, user.signed_in_at)

    @classmethod
    def robot(cls, pk: UUID, name: str, tenant_id: UUID) -> Actor:
        """Return a robot as an actor; it is bound to its tenant."""
        return cls(ROBOT, str(pk), name, tenant_id)

    @classmethod
    def job(cls, execution_id: UUID, name: str, tenant_id: UUID) -> Actor:
        """Return a running job as an actor: one execution of it, which speaks for itself and nothing else."""
        return cls(JOB, str(execution_id), name, tenant_id)

    @classmethod
    def system(cls, name: str) -> Actor:
        """Return the system itself under the name of what it is doing, such as ``sweep``."""
        return cls(SYSTEM, name, name)

    @property
    def is_fresh(self) -> bool:
        """Whether the person has just proved who they are; the system need not."""
        return self.is_system or (self.signed_in_at is not None and self.signed_in_at > timezone.now() - FRESH_FOR)

    @property
    def is_system(self) -> bool:
        return self.kind == SYSTEM

    @property
    def is_robot(self) -> bool:
        return self.kind == ROBOT

    @property
    def is_job(self) -> bool:
        return self.kind == JOB

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
