"""Who may do what, worked out a second time: in plain Python, from the rules alone, for many worlds.

Nothing of the code that answers is used to say what the answer should be.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils import timezone
from guardian.models import UserObjectPermission
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.actors import Actor
from apps.jobs.models import Job
from apps.rbac import services as rbac
from apps.rbac.models import Group, GroupMember, GroupObjectPermission, Role, RoleAssignment
from apps.robots.models import Machine
from apps.tenancy import services as tenancy
from tests import make

pytestmark = pytest.mark.django_db

VERBS = ("jobs.view_job", "jobs.cancel_job", "robots.view_machine", "robots.change_machine")
USERS, GROUPS, SECONDS = 3, 2, 15
#: What each role gives; the last gives everything.
ROLES = (("jobs.view_job",), ("jobs.cancel_job", "robots.view_machine"), VERBS[2:], None)
#: Where things are: a tenant, and the folders above and around. ``None`` is the tenant itself, or everywhere.
TREE = {"a": (), "a/x": ("a",), "a/x/y": ("a", "a/x"), "a/z": ("a",), "b": (), "b/x": ("b",)}
PLACES = ("everywhere", "A", "B", *TREE)


@dataclass(frozen=True)
class Held:
    """A role that is held: by the user or group of a number, in a place, for good (``None``), still, or no more."""

    holder: tuple[str, int]
    role: int
    place: str
    end: int | None


@dataclass(frozen=True)
class Shared:
    """One verb on one object, for the user or group of a number."""

    holder: tuple[str, int]
    verb: str
    thing: str


@dataclass(frozen=True)
class Plan:
    """What is given to whom."""

    members: frozenset[tuple[int, int]]
    held: tuple[Held, ...]
    shared: tuple[Shared, ...]
    superuser: int | None
    inactive: int | None
    bound: str | None = field(default=None)


def is_below(thing: str, place: str) -> bool:
    """Whether what lies in the folder (or is of the tenant) ``thing`` is reached from ``place``."""
    if place == "everywhere":
        return True
    if place in ("A", "B"):
        return thing[0].upper() == place
    return thing == place or place in TREE.get(thing, ())


def may(plan: Plan, user: int, verb: str, thing: str) -> bool:
    """What the rules say: the oracle. Jobs are named by their folder, machines by ``A`` or ``B``."""
    if user == plan.inactive or (plan.bound and thing[0].upper() != plan.bound):
        return False
    if user == plan.superuser:
        return True
    names = {("user", user), *(("group", group) for member, group in plan.members if member == user)}
    by_role = any(
        one.holder in names
        and (one.end is None or one.end > 0)
        and (ROLES[one.role] is None or verb in ROLES[one.role])
        and is_below(thing, one.place)
        for one in plan.held
    )
    return by_role or any(one.holder in names and (one.verb, one.thing) == (verb, thing) for one in plan.shared)


HOLDERS = st.one_of(
    st.tuples(st.just("user"), st.integers(0, USERS - 1)), st.tuples(st.just("group"), st.integers(0, GROUPS - 1))
)
THINGS = (*TREE, "A", "B")
PLANS = st.builds(
    Plan,
    members=st.frozensets(st.tuples(st.integers(0, USERS - 1), st.integers(0, GROUPS - 1)), max_size=4),
    held=st.lists(
        st.builds(
            Held, HOLDERS, st.integers(0, len(ROLES) - 1), st.sampled_from(PLACES), st.sampled_from([None, 1, -1])
        ),
        max_size=5,
        unique_by=lambda one: (one.holder, one.role, one.place),
    ).map(tuple),
    shared=st.lists(
        st.builds(Shared, HOLDERS, st.sampled_from(VERBS), st.sampled_from(THINGS)), max_size=3, unique=True
    ).map(
        lambda many: tuple(
            one for one in many if (".view_job" in one.verb or "cancel" in one.verb) == (one.thing in TREE)
        )
    ),
    superuser=st.sampled_from([None, None, None, 0]),
    inactive=st.sampled_from([None, None, None, 1]),
    bound=st.sampled_from([None, None, "A", "B"]),
)


class World:
    """The things that all plans are about."""

    def __init__(self) -> None:
        self.tenants = {name: make.tenant() for name in "AB"}
        self.folders: dict[str, Any] = {}
        for path in sorted(TREE):
            above = path.rpartition("/")[0]
            parent = self.folders[above] if above else self.tenants[path[0].upper()]
            self.folders[path] = tenancy.create_folder(parent, actor=make.SYSTEM, name=path[-1] + path[0])
        self.things = {path: make.job(make.process(folder)) for path, folder in self.folders.items()}
        self.things |= {name: make.machine(tenant) for name, tenant in self.tenants.items()}
        self.users = [make.user() for _ in range(USERS)]
        self.groups = [Group.objects.create(name=f"g {uuid.uuid4().hex}") for _ in range(GROUPS)]
        self.permissions = {verb: permission(verb) for verb in VERBS}
        self.roles = [self._role(names) for names in ROLES]

    def _role(self, names: Any) -> Role:
        role = Role.objects.create(name=f"r {uuid.uuid4().hex}", grants_all=names is None)
        role.permissions.set([self.permissions[name] for name in names or ()])
        return role

    def write_down(self, plan: Plan) -> None:
        """Put a plan into the tables, around every service."""
        for number, user in enumerate(self.users):
            user.is_superuser, user.is_active = number == plan.superuser, number != plan.inactive
            user.save()
        GroupMember.objects.bulk_create(
            [GroupMember(user=self.users[user], group=self.groups[group]) for user, group in plan.members]
        )
        RoleAssignment.objects.bulk_create([self._assignment(one) for one in plan.held])
        for one in plan.shared:
            thing = self.things[one.thing]
            kind = {"content_type": ContentType.objects.get_for_model(thing), "object_pk": str(thing.pk)}
            model = UserObjectPermission if one.holder[0] == "user" else GroupObjectPermission
            model.objects.create(permission=self.permissions[one.verb], **kind, **self._holder(one.holder))

    def _assignment(self, held: Held) -> RoleAssignment:
        folder = self.folders.get(held.place)
        tenant = folder.tenant if folder else self.tenants.get(held.place)
        end = None if held.end is None else timezone.now() + timedelta(hours=held.end)
        holder, role = self._holder(held.holder), self.roles[held.role]
        return RoleAssignment(role=role, tenant=tenant, folder=folder, expires_at=end, **holder)

    def _holder(self, holder: tuple[str, int]) -> dict[str, Any]:
        kind, number = holder
        return {kind: (self.users if kind == "user" else self.groups)[number]}

    def actor(self, number: int, plan: Plan) -> Actor:
        """A user as whoever comes with their credential; one who is disabled still has it in their hands."""
        tenant = self.tenants[plan.bound].pk if plan.bound else None
        user = self.users[number]
        return Actor("person", str(user.pk), user.username, tenant, user)


def permission(name: str) -> Permission:
    app, _, code = name.partition(".")
    return Permission.objects.get(content_type__app_label=app, codename=code)


def is_of(verb: str, thing: str) -> bool:
    """Whether a verb is one for jobs, as things in folders are here, or for machines."""
    return verb.startswith("jobs.") == (thing in TREE)


def differences(world: World, plan: Plan) -> list[Any]:
    """Every answer that is not as the rules have it."""
    found = []
    for number in range(USERS):
        actor = world.actor(number, plan)
        for verb in VERBS:
            model: Any = Job if verb.startswith("jobs.") else Machine
            things = {name: row for name, row in world.things.items() if is_of(verb, name)}
            right = {name for name in things if may(plan, number, verb, name)}
            asked = {name for name, row in things.items() if rbac.allows(actor, verb, row)}
            listed = set(rbac.visible(model.objects.filter(pk__in=[row.pk for row in things.values()]), actor, verb))
            seen = {name for name, row in things.items() if row in listed}
            if not right == asked == seen:
                found.append((number, verb, right, asked, seen))
    return found


@pytest.fixture
def world():
    return World()


def test_e1_e2_e4_e11_the_answers_are_those_of_the_rules_in_every_world(world):
    ends_at = time.monotonic() + SECONDS
    tried = 0

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(plan=PLANS)
    def agree(plan: Plan) -> None:
        nonlocal tried
        if time.monotonic() > ends_at:
            return
        with transaction.atomic():
            world.write_down(plan)
            assert differences(world, plan) == []
            transaction.set_rollback(True)
        tried += 1

    agree()
    assert tried >= 5
