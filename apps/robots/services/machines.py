"""Machines and their enrolment keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from apps.audit import services as audit
from apps.core import bin, tokens
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed, NotSignedIn
from apps.events import services as events
from apps.rbac import services as rbac
from apps.robots import rules
from apps.robots.models import Machine, MachineKey, Robot, RobotToken
from apps.robots.services import _checks
from apps.tenancy.models import Tenant, TenantStatus


class MachineHasRobots(Conflict):
    """A machine goes only after its robots."""

    code = "machine_has_robots"


@transaction.atomic
def create_machine(
    tenant: Tenant, *, actor: Actor, name: str, description: str = "", labels: Sequence[str] = ()
) -> tuple[Machine, str]:
    """Make a machine and its enrolment key; the key's text is returned this once. Raises ``Conflict``."""
    rbac.require(actor, "robots.add_machine", tenant)
    machine = Machine(tenant=tenant, name=_checks.name(name), description=description, labels=_checks.labels(labels))
    _checks.save_named(machine)
    key = _make_key(machine)
    audit.record(actor, "machine.created", machine, after=_facts(machine))
    events.record("machine.created", machine)
    return machine, key


@transaction.atomic
def update_machine(
    machine: Machine,
    *,
    actor: Actor,
    name: str | None = None,
    description: str | None = None,
    labels: Sequence[str] | None = None,
) -> Machine:
    """Change what a machine is called and which labels its robots have through it; what is ``None`` stays."""
    rbac.require(actor, "robots.change_machine", machine)
    _checks.lock(machine)
    before = _facts(machine)
    if name is not None:
        machine.name = _checks.name(name)
    if description is not None:
        machine.description = description
    if labels is not None:
        machine.labels = _checks.labels(labels)
    _checks.save_named(machine, update_fields=["name", "description", "labels"])
    audit.record(actor, "machine.updated", machine, before=before, after=_facts(machine))
    events.record("machine.updated", machine)
    return machine


@transaction.atomic
def delete_machine(machine: Machine, *, actor: Actor) -> None:
    """Take a machine without robots out of every list; its key ends. Raises ``MachineHasRobots``."""
    rbac.require(actor, "robots.delete_machine", machine)
    _checks.lock(machine)  # A robot may be registering with its key at this moment.
    if Robot.objects.alive().filter(machine=machine).exists():
        raise MachineHasRobots(f"“{machine.name}” still has robots. Delete or move those first.")
    bin.put(machine, by=actor)
    MachineKey.objects.filter(machine=machine, revoked_at=None).update(revoked_at=Now())
    audit.record(actor, "machine.deleted", machine, before=_facts(machine))
    events.record("machine.deleted", machine)


@transaction.atomic
def restore_machine(machine: Machine, *, actor: Actor, name: str | None = None) -> Machine:
    """Take a machine back out of the bin, without a key: the old one stays dead until ``replace_key`` makes another.

    It is on its own from now on, whatever made it. Raises ``Conflict`` as ``bin.take_back`` does.
    """
    rbac.require(actor, "robots.delete_machine", machine)
    bin.take_back(machine, name=None if name is None else _checks.name(name), made_by=None)
    audit.record(actor, "machine.restored", machine, after=_facts(machine))
    events.record("machine.restored", machine)
    return machine


@transaction.atomic
def replace_key(machine: Machine, *, actor: Actor) -> str:
    """Make a new enrolment key and return its text this once; the old key and every token from it end.

    The host may be another one afterwards: the first contact with the new key binds its signature. A machine that an
    enrolment key made is on its own from now on.
    """
    rbac.require(actor, "robots.enrol_machine", machine)
    Machine.objects.select_for_update().get(pk=machine.pk)
    MachineKey.objects.filter(machine=machine, revoked_at=None).update(revoked_at=Now())
    Machine.objects.filter(pk=machine.pk).update(signature="", signature_bound_at=None, made_by=None)
    _revoke_derived_tokens(machine)
    key = _make_key(machine)
    audit.record(actor, "machine.key_regenerated", machine)
    events.record("machine.key_regenerated", machine)
    return key


def machine_of_key(key: str, *, actor: Actor) -> Machine:
    """Return the machine whose live enrolment key ``key`` is. Raises ``NotSignedIn``, ``NotAllowed``."""
    row = MachineKey.matching(key, "machine__tenant")
    if row is None or row.machine.deleted_at is not None:
        raise NotSignedIn("Invalid machine_key", code="bad_machine_key")
    if row.machine.tenant.status != TenantStatus.ACTIVE:
        raise NotAllowed("This tenant is suspended.", code="tenant_suspended", target=row.machine)
    MachineKey.objects.filter(pk=row.pk).update(last_used_at=Now())
    return row.machine


@transaction.atomic
def meet_machine(
    machine: Machine, *, actor: Actor, signature: str, name: str = "", info: dict[str, Any] | None = None
) -> Machine:
    """Check that it is the host we know, or bind the signature on first contact. Raises ``NotAllowed``."""
    machine = Machine.objects.select_for_update().get(pk=machine.pk)
    wanted = rules.normalise_signature(signature)
    if not wanted:
        raise Invalid.field("machine_signature", "a stable text that identifies this host is needed.")
    if name and name.strip().lower() != machine.name.lower():
        raise NotAllowed("machine_name mismatch: this key belongs to another machine.", code="machine_mismatch")
    if machine.signature and machine.signature != wanted:
        raise NotAllowed(
            "machine_signature mismatch: this key is bound to another host. Regenerate the key to move it.",
            code="machine_mismatch",
            target=machine,
        )
    changes: dict[str, Any] = {"last_seen_at": Now()} | ({"info": info} if info else {})
    if not machine.signature:
        changes |= {"signature": wanted, "signature_bound_at": Now()}
        audit.record(actor, "machine.bound", machine, after={"signature": wanted[:12] + "…"})
    Machine.objects.filter(pk=machine.pk).update(**changes)
    machine.refresh_from_db()
    return machine


def _make_key(machine: Machine) -> str:
    plain = tokens.generate(MachineKey.KIND)
    MachineKey.holding(plain, machine=machine, tenant_id=machine.tenant_id).save()
    return str(plain)


def _revoke_derived_tokens(machine: Machine) -> None:
    from_key = RobotToken.objects.filter(RobotToken.good_after(Now()), robot__machine=machine, is_derived=True)
    from_key.update(revoked_at=Now())


def _facts(machine: Machine) -> dict[str, Any]:
    return {"name": machine.name, "description": machine.description, "labels": machine.labels}
