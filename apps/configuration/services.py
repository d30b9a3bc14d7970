"""Changing settings of the running system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from apps.audit import services as audit
from apps.configuration.models import Setting, forget_read
from apps.configuration.rules import MASK, Group, group_named, name_of
from apps.core.actors import Actor
from apps.core.errors import Invalid, Problem
from apps.encryption.models import seal
from apps.rbac import services as rbac
from apps.tenancy.models import Tenant


@transaction.atomic
def change_settings(
    group: str, *, actor: Actor, values: Mapping[str, Any], tenant: Tenant | None = None
) -> dict[str, Any]:
    """Set some keys of a group, for the installation or for one tenant; return what holds there then.

    ``None`` takes back what was set: the installation's value, or the default, holds again. Keys that are not named
    stay. Raises ``Invalid``, which names each key that is unknown or unfit.
    """
    rbac.require(actor, "configuration.change_setting", tenant or rbac.EVERYWHERE)
    known, tenant_id = group_named(group), tenant.pk if tenant is not None else None
    # One change of settings after the other, so that what is written down as before is what was before.
    list(Setting.objects.select_for_update().of_group(known).filter(tenant=tenant))
    before = _with_secrets(known, tenant_id)
    values = _meant(known, values)
    problems = list(_problems(known, values, before, tenant_id)) or list(known.clashes(_then(known, before, values)))
    if problems:
        raise Invalid("; ".join(f"{one.field}: {one.message}" for one in problems), problems=problems)
    _store(known, {key: value for key, value in values.items() if value != before[key]}, tenant, actor)
    after = _with_secrets(known, tenant_id)
    changed = [key for key in known.keys if after[key] != before[key]]
    if changed:
        # Under names such as these the trail keeps keyed hashes of secrets.
        old, new = ({name_of(group, key): one[key] for key in changed} for one in (before, after))
        audit.record(actor, "settings.changed", tenant, before=old, after=new)
    forget_read()
    transaction.on_commit(forget_read)
    return Setting.objects.in_force(group, tenant_id)


def _with_secrets(group: Group, tenant_id: UUID | None) -> dict[str, Any]:
    """Return what holds, secrets themselves included."""
    held = {key: Setting.objects.secret(group.name, key) for key in group.secrets}
    return Setting.objects.in_force(group.name, tenant_id) | held


def _meant(group: Group, values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what a client only sends back: masks, and what follows from other values."""
    masked = {key for key in group.secrets if values.get(key) == MASK}
    return {key: value for key, value in values.items() if key not in masked and key not in group.told}


def _then(group: Group, before: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what would hold for the installation."""
    taken_back = {one.key: one.fallback for one in group.settings if values.get(one.key, "") is None}
    then = {**before, **values, **taken_back}
    return then | group.tell(then)


def _problems(
    group: Group, values: Mapping[str, Any], before: Mapping[str, Any], tenant_id: UUID | None
) -> Iterator[Problem]:
    for key, value in values.items():
        known = group.find(key)
        if known is None:
            yield Problem(key, f"There is no such setting. There is: {', '.join(group.keys)}.", "unknown_field")
        elif value is not None and (problem := known.problem_of(value)):
            yield Problem(key, problem)
        elif tenant_id is not None and not known.per_tenant and value not in (None, before[key]):
            yield Problem(key, "This is set for the whole installation, not for one tenant.", "installation_only")


def _store(group: Group, changes: Mapping[str, Any], tenant: Tenant | None, actor: Actor) -> None:
    for key, value in changes.items():
        name, known = name_of(group.name, key), group.find(key)
        if known is None or value is None or (known.secret and not value):
            Setting.objects.filter(tenant=tenant, name=name).delete()
            continue
        shown = MASK if known.secret else value
        facts = {"type": known.type.value, "value": shown, "set_by": actor.name, "set_at": Now()}
        row, _ = Setting.objects.update_or_create(tenant=tenant, name=name, defaults=facts)
        if known.secret:
            seal(row, "sealed", value)
            row.save(update_fields=["sealed"])
