"""Enrolling: a robot introduces itself with its machine's key, or with one that serves many machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed, NotSignedIn
from apps.events import services as events
from apps.robots import rules
from apps.robots.models import EnrolmentKey, Machine, Robot
from apps.robots.services import _checks, _making
from apps.robots.services.credentials import register_robot
from apps.robots.services.machines import machine_of_key, meet_machine
from apps.tenancy.models import TenantStatus

_ENROLMENT_KEY = f"bv{EnrolmentKey.KIND}_"
_ATTEMPTS = 5
#: Among so many machines of one name a free one is looked for.
MOST_NAMESAKES = 10_000


class EnrolmentUsedUp(Conflict):
    """The key has made as many machines as it may."""

    code = "enrolment_used_up"


@dataclass(frozen=True, slots=True)
class Host:
    """What a computer says of itself when it enrols, and from which address it calls (as the server sees it)."""

    signature: str
    address: str | None
    name: str = ""
    info: dict[str, Any] = field(default_factory=dict)


@transaction.atomic
def enrol_robot(key: str, *, actor: Actor, host: Host, name: str, is_ephemeral: bool = False) -> tuple[Robot, str]:
    """Let a robot introduce itself with an enrolment key or a machine's; the same again gives the same answer.

    A host that is new to an enrolment key becomes a machine and costs a use. Raises ``NotSignedIn`` for a key that is
    unknown, expired or revoked, ``NotAllowed`` for another host or outside the key's networks, ``EnrolmentUsedUp``,
    ``Invalid``.
    """
    if not key.startswith(_ENROLMENT_KEY):
        machine = machine_of_key(key, actor=actor)
        meet_machine(machine, actor=actor, signature=host.signature, name=host.name, info=host.info)
        return register_robot(machine, actor=actor, key=key, name=name, is_ephemeral=is_ephemeral)
    template = _hold_key(key)
    if not rules.is_in_networks(host.address, template.networks):
        raise NotAllowed(
            f"This enrolment key may not be used from {host.address or 'here'}. Ask an operator to add the network.",
            code="enrolment_network",
            target=template,
        )
    machine = _machine_of(template, actor=actor, host=host, fallback=_checks.name(name))
    folders = template.folders.filter(deleted_at=None)
    robot = _making.introduced(
        machine, actor=actor, name=name, is_ephemeral=is_ephemeral, slots=template.slots, folders=folders
    )
    return robot, _making.derived_token(robot, actor=actor, key=key)


def _hold_key(text: str) -> EnrolmentKey:
    """Return the live key with that text, locked: whoever comes at the same moment waits, so uses are exact."""
    found = EnrolmentKey.matching(text)
    if found is not None:
        EnrolmentKey.objects.select_for_update(of=("self",)).get(pk=found.pk)
        found = EnrolmentKey.matching(text, "tenant")  # It may have been replaced or revoked meanwhile.
    if found is None:
        raise NotSignedIn("This enrolment key is unknown, expired or revoked.", code="bad_machine_key")
    if found.tenant.status != TenantStatus.ACTIVE:
        raise NotAllowed("This tenant is suspended.", code="tenant_suspended", target=found)
    EnrolmentKey.objects.filter(pk=found.pk).update(last_used_at=Now())
    return found


def _machine_of(key: EnrolmentKey, *, actor: Actor, host: Host, fallback: str) -> Machine:
    signature = rules.normalise_signature(host.signature)
    if not signature:
        raise Invalid.field("machine_signature", "a stable text that identifies this host is needed.")
    known = Machine.objects.alive().filter(made_by=key, signature=signature).first()
    machine = known or _new_machine(key, actor=actor, signature=signature, name=host.name.strip() or fallback)
    Machine.objects.filter(pk=machine.pk).update(last_seen_at=Now(), **({"info": host.info} if host.info else {}))
    return machine


def _new_machine(key: EnrolmentKey, *, actor: Actor, signature: str, name: str) -> Machine:
    if key.most_uses is not None and key.uses >= key.most_uses:
        raise EnrolmentUsedUp(
            f"This enrolment key has made all {key.most_uses} machines it may. Ask an operator to allow more uses."
        )
    EnrolmentKey.objects.filter(pk=key.pk).update(uses=F("uses") + 1)
    machine = Machine(tenant=key.tenant, labels=key.labels, made_by=key, signature=signature)
    _save_with_free_name(machine, _checks.name(name))
    after = {"name": machine.name, "labels": machine.labels, "enrolment_key": key.name, "key": key.shown_as}
    audit.record(actor, "machine.enrolled", machine, after=after)
    events.record("machine.created", machine, data={"enrolment_key": str(key.pk)})
    return machine


def _save_with_free_name(machine: Machine, wanted: str) -> None:
    """Save a machine as ``wanted``, or as ``wanted-2`` and so on. Raises ``Conflict`` if others are always faster."""
    for attempt in range(_ATTEMPTS):
        taken = Machine.objects.alive().filter(tenant_id=machine.tenant_id, name__istartswith=wanted[:80])
        machine.name = rules.free_name(wanted, taken.values_list("name", flat=True)[:MOST_NAMESAKES])
        try:
            _checks.save_named(machine)
        except Conflict:  # Another key, or a person, took the name since we looked.
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return
