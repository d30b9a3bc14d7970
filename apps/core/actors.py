"""Who is asking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_network
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
class Bounds:
    """How far a credential reaches of what its holder may: it takes away, and never gives.

    ``scopes`` are permissions (``jobs.cancel_job``), areas (``jobs.*``) or verbs (``*.view``); ``folders`` are paths
    of folders; ``networks`` are those it is taken from. ``None``, or no network, leaves that side as wide as the
    holder's own. ``until`` is when it ends.
    """

    scopes: frozenset[str] | None = None
    folders: tuple[str, ...] | None = None
    networks: tuple[str, ...] = ()
    until: datetime | None = None

    @property
    def are_narrow(self) -> bool:
        """Whether they take away anything of what the holder may."""
        return self.scopes is not None or self.folders is not None

    def permit(self, permission: str) -> bool:
        """Say whether ``permission`` (``app.codename``; ``app.*`` asks for any of an app) is within the scopes."""
        if self.scopes is None:
            return True
        app, _, codename = permission.partition(".")
        if codename == "*":
            return any(scope.partition(".")[0] in (app, "*") for scope in self.scopes)
        return not self.scopes.isdisjoint((permission, f"{app}.*", f"*.{codename.partition('_')[0]}"))

    def hold(self, paths: Iterable[str]) -> bool:
        """Say whether what lies in the folders of these paths is within reach; no path is the tenant as such."""
        return self.folders is None or any(path.startswith(self.folders) for path in paths)

    def wider_than(self, other: Bounds) -> str:
        """Return the side on which these reach further than others do: a name of ours, or nothing."""
        if other.scopes is not None and (self.scopes is None or not all(map(other.covers, self.scopes))):
            return "scopes"
        if other.folders is not None and (self.folders is None or not all(other.hold([one]) for one in self.folders)):
            return "folders"
        if other.networks and not (self.networks and all(_is_inside(one, other.networks) for one in self.networks)):
            return "networks"
        return ""

    def as_kept(self) -> dict[str, list[str] | None]:
        """Return scopes and folders as JSON, for work that is done later in the same name."""
        folders = None if self.folders is None else list(self.folders)
        return {"scopes": None if self.scopes is None else sorted(self.scopes), "folders": folders}

    @classmethod
    def kept(cls, kept: Mapping[str, list[str] | None]) -> Bounds:
        """Return what ``as_kept`` gave."""
        scopes, folders = kept["scopes"], kept["folders"]
        return cls(None if scopes is None else frozenset(scopes), None if folders is None else tuple(folders))

    def covers(self, scope: str) -> bool:
        """Say whether a scope permits nothing that these do not."""
        if self.scopes is None or scope in self.scopes:
            return True
        return "*" not in scope and self.permit(scope)


def _is_inside(network: str, others: Iterable[str]) -> bool:
    inner = ip_network(network)
    outer = (ip_network(other) for other in others)
    return any(inner[0] in one and inner[-1] in one for one in outer)


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever asks for a change: a person, a service account, a robot, a running job, or the system itself.

    Every service takes one. There is no anonymous actor and no ``None``: work that nobody asked for is done in the
    name of ``Actor.system(...)``. ``tenant_id`` narrows what the credential reaches: an API key and a robot belong to
    one tenant, whatever else their user could do elsewhere, and ``bounds`` narrows it
    further. ``signed_in_at`` is when the person behind it last proved
    who they are; nobody does so behind a key.
    """

    kind: str
    id: str
    name: str
    tenant_id: UUID | None = None
    user: Any = field(default=None, compare=False, repr=False)
    signed_in_at: datetime | None = field(default=None, compare=False)
    bounds: Bounds | None = field(default=None, compare=False)

    @classmethod
    def person(cls, user: Any, *, tenant_id: UUID | None = None, bounds: Bounds | None = None) -> Actor:
        """Return the actor behind a signed-in user, who may be a service account. Raises ``NotSignedIn``."""
        if user is None or user.is_anonymous or not user.is_active:
            raise NotSignedIn("Sign in first.")
        kind = SERVICE if user.is_service else PERSON
        tenant_id = tenant_id or user.tenant_id
        return cls(kind, str(user.pk), user.get_username(), tenant_id, user, user.signed_in_at, bounds)

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

    @property
    def is_narrowed(self) -> bool:
        """Whether the credential keeps its holder from anything that the holder may do elsewise."""
        return self.bounds is not None and self.bounds.are_narrow

    @property
    def is_almighty(self) -> bool:
        """Whether nothing is kept from the actor in the tenants it reaches: the system, or a superuser as such."""
        user = self.user
        return self.is_system or bool(user is not None and user.is_superuser and not self.is_narrowed)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
