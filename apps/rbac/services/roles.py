"""Making roles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.db.models import Q

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.rbac.models import Role
from apps.rbac.rules import OPERATIONAL_APPS
from apps.rbac.services._levels import refuse_more_than_own
from apps.rbac.services.questions import EVERYWHERE, require

_BUILTIN: dict[str, tuple[str, Q | None]] = {
    "Administrator": ("Everything, within the scope it is given for.", None),
    "Developer": (
        "Publishes packages, makes processes, queues and triggers, and runs them.",
        Q(content_type__app_label__in=("packages", "processes", "queues", "jobs", "triggers"))
        | Q(content_type__app_label__in=("robots", "tenancy", "events"), codename__startswith="view_")
        | Q(
            content_type__app_label="assets",
            codename__in=("view_asset", "add_asset", "change_asset", "set_asset", "use_asset", "delete_asset"),
        ),
    ),
    "Operator": (
        "Runs, stops and retries jobs, looks after robots and after what waits in queues.",
        Q(content_type__app_label__in=("jobs",))
        | Q(
            content_type__app_label="robots",
            codename__in=("change_robot", "view_robot", "view_machine", "view_enrolmentkey"),
        )
        | Q(content_type__app_label="processes", codename__in=("view_process", "run_process", "view_namedlimit"))
        | Q(content_type__app_label="tenancy", codename__in=("add_brake", "lift_brake"))
        | Q(content_type__app_label="queues", codename__startswith="view_")
        | Q(
            content_type__app_label="queues",
            codename__in=(
                "pause_queue",
                "add_queueitem",
                "requeue_queueitem",
                "review_queueitem",
                "delete_queueitem",
                "add_itemfile",
                "delete_itemfile",
                "add_storedfile",
                "delete_storedfile",
            ),
        )
        | Q(content_type__app_label="triggers", codename__in=("fire_trigger", "enable_trigger"))
        | Q(content_type__app_label="triggers", codename__startswith="view_")
        | Q(content_type__app_label__in=("packages", "assets", "tenancy", "events"), codename__startswith="view_"),
    ),
    "Robot owner": (
        "Enrols, changes and rotates machines and robots, and sees what they work on.",
        Q(
            content_type__app_label="robots",
            codename__in=(
                "view_machine",
                "add_machine",
                "change_machine",
                "enrol_machine",
                "view_enrolmentkey",
                "add_enrolmentkey",
                "change_enrolmentkey",
                "rotate_enrolmentkey",
                "view_robot",
                "add_robot",
                "change_robot",
                "rotate_robot",
            ),
        )
        | Q(content_type__app_label="jobs", codename="view_job")
        | Q(content_type__app_label__in=("tenancy", "events"), codename__startswith="view_"),
    ),
    "Viewer": (
        "Looks, and changes nothing.",
        Q(content_type__app_label__in=OPERATIONAL_APPS, codename__startswith="view_")
        & ~Q(content_type__app_label__in=("accounts", "audit")),
    ),
}


@transaction.atomic
def ensure_builtin_roles(*, actor: Actor) -> None:
    """Bring the built-in roles in line with the permissions there are; safe to repeat. Run after each migrate."""
    require(actor, "rbac.change_role", EVERYWHERE)
    for name, (description, wanted) in _BUILTIN.items():
        role, _ = Role.objects.update_or_create(
            tenant=None,
            name=name,
            defaults={"description": description, "is_builtin": True, "grants_all": wanted is None},
        )
        if wanted is not None:
            role.permissions.set(Permission.objects.filter(wanted))


@transaction.atomic
def create_role(
    name: str,
    *,
    actor: Actor,
    tenant: Any | None = None,
    description: str = "",
    permissions: Iterable[Permission] = (),
) -> Role:
    """Make a role, for one tenant or (``None``) for the installation. Raises ``Conflict`` if the name is taken."""
    require(actor, "rbac.add_role", tenant or EVERYWHERE)
    wanted = list(permissions)
    refuse_more_than_own(actor, wanted, tenant or EVERYWHERE)
    role = Role(name=name.strip(), tenant=tenant, description=description)
    _save_named(role)
    role.permissions.set(wanted)
    audit.record(actor, "role.created", role, after=_facts(role))
    return role


@transaction.atomic
def update_role(role: Role, *, actor: Actor, name: str, description: str, permissions: Iterable[Permission]) -> Role:
    """Change what a role is called and may do. Built-in roles cannot be changed."""
    require(actor, "rbac.change_role", role.tenant or EVERYWHERE)
    _refuse_builtin(role)
    wanted = list(permissions)
    refuse_more_than_own(actor, wanted, role.tenant or EVERYWHERE)
    before = _facts(role)
    role.name, role.description = name.strip(), description
    _save_named(role)
    role.permissions.set(wanted)
    audit.record(actor, "role.updated", role, before=before, after=_facts(role))
    return role


@transaction.atomic
def delete_role(role: Role, *, actor: Actor) -> None:
    """Delete a role nobody holds. Raises ``Conflict`` while somebody does."""
    require(actor, "rbac.delete_role", role.tenant or EVERYWHERE)
    _refuse_builtin(role)
    if role.assignments.exists():
        raise Conflict(f"“{role.name}” is still held by somebody. Take it away from them first.")
    audit.record(actor, "role.deleted", role, before=_facts(role))
    role.delete()


def _save_named(role: Role) -> None:
    if not role.name:
        raise Invalid.field("name", "a role needs a name.")
    try:
        with transaction.atomic():
            role.save()
    except IntegrityError as error:
        raise Conflict(f"There is a role “{role.name}” already.", code="name_taken", field="name") from error


def _refuse_builtin(role: Role) -> None:
    if role.is_builtin:
        raise Conflict(f"“{role.name}” is built in and cannot be changed. Make a role of your own.")


def _facts(role: Role) -> dict[str, Any]:
    codes = role.permissions.values_list("content_type__app_label", "codename")
    return {
        "name": role.name,
        "description": role.description,
        "permissions": sorted(f"{app}.{code}" for app, code in codes),
    }
