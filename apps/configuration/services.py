"""Changing settings of the running system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from apps.audit import services as audit
from apps.configuration.models import Setting
from apps.configuration.rules import Group, group_named, name_of
from apps.core.actors import Actor
from apps.core.errors import Invalid, Problem
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
    before = Setting.objects.in_force(group, tenant_id)
    problems = list(_problems(known, values, before, tenant_id))
    if problems:
        raise Invalid("; ".join(f"{one.field}: {one.message}" for one in problems), problems=problems)
    _store(known, {key: value for key, value in values.items() if value != before[key]}, tenant, actor)
    after = Setting.objects.in_force(group, tenant_id)
    changed = [key for key in known.keys if after[key] != before[key]]
    if changed:
        old, new = ({name_of(group, key): one[key] for key in changed} for one in (before, after))
        audit.record(actor, "settings.changed", tenant, before=old, after=new)
    return after


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
        if value is None or known is None:
            Setting.objects.filter(tenant=tenant, name=name).delete()
            continue
        facts = {"type": known.type.value, "value": value, "set_by": actor.name, "set_at": Now()}
        Setting.objects.update_or_create(tenant=tenant, name=name, defaults=facts)
