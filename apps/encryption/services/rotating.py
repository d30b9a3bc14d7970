"""Rotating keys while the system works.

A new data key seals from the moment it is there; what the old one sealed is sealed anew in small batches. How far that
has come stands in the sealed texts themselves, which name their key, so it may be broken off anywhere and begun again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import models, transaction
from django.db.models import Max
from django.db.models.functions import Now

from apps.audit import services as audit
from apps.core.actors import Actor
from apps.core.errors import Conflict
from apps.encryption.models import DataKey, DataKeyStatus, master_keys, seal, sealed_fields, unseal
from apps.rbac import services as rbac

BATCH = 500
"""So many rows are looked at in one transaction."""
SETTLED_AFTER = timedelta(hours=1)
"""Longer than any transaction that may still seal by a key that was just rotated."""


class KeyInUse(Conflict):
    """The key is still needed; ``current`` in the answer tells its state."""

    code = "key_in_use"


@dataclass(frozen=True, slots=True)
class Batch:
    """One look at some rows of one column: how many were sealed anew, and where to go on; ``None`` at the end."""

    sealed: int
    last: UUID | None


@transaction.atomic
def rotate_data_key(tenant: Any, *, actor: Actor) -> DataKey:
    """Let a new key seal what belongs to a tenant, or with ``None`` to the installation; the old one still opens."""
    rbac.require(actor, "encryption.rotate_datakey", tenant or rbac.EVERYWHERE)
    tenant_id = tenant.pk if tenant is not None else None
    old = DataKey.objects.current_of(tenant_id)
    old.lock()
    old.move_to(DataKeyStatus.ACCEPTED, rotated_at=Now())
    newest = DataKey.objects.of(tenant_id).aggregate(newest=Max("number"))["newest"]
    key = DataKey.new(tenant_id, number=newest + 1)
    DataKey.objects.bulk_create([key])
    audit.record(actor, "datakey.rotated", key, before={"number": old.number}, after={"number": key.number})
    return key


@transaction.atomic
def rewrap_data_keys(*, actor: Actor) -> int:
    """Let the current master key wrap every data key, so that the one before it can go; returns how many it were.

    Raises ``Unopenable`` where the master key of one is not there.
    """
    rbac.require(actor, "encryption.rotate_datakey", rbac.EVERYWHERE)
    outdated = DataKey.objects.exclude(status=DataKeyStatus.DESTROYED).exclude(master=master_keys().current)
    keys = list(outdated.select_for_update().order_by("pk"))
    for key in keys:
        key.wrap(key.secret())
    DataKey.objects.bulk_update(keys, ["wrapped", "master"], batch_size=BATCH)
    if keys:
        facts = {"master": master_keys().current, "data_keys": len(keys)}
        audit.record(actor, "datakeys.rewrapped", None, after=facts)
    return len(keys)


@transaction.atomic
def reencrypt_some(column: tuple[type[models.Model], str], *, actor: Actor, after: UUID | None = None) -> Batch:
    """Seal anew what the next ``BATCH`` rows of a sealed column hold under keys that were rotated."""
    rbac.require(actor, "encryption.rotate_datakey", rbac.EVERYWHERE)
    model, field = column
    rows: models.QuerySet[Any] = model._base_manager.exclude(**{field: None}).exclude(**{field: ""}).order_by("pk")
    found = list((rows.filter(pk__gt=after) if after else rows).only("pk", "tenant_id", field)[:BATCH])
    current = _current_names()
    outdated = [row for row in found if f":{current.get(row.tenant_id)}:" not in getattr(row, field)]
    sealed = sum(_sealed_anew(row, field) for row in outdated)
    if sealed:
        audit.record(actor, "secrets.reencrypted", None, after={"table": model._meta.db_table, "rows": sealed})
    return Batch(sealed, found[-1].pk if len(found) == BATCH else None)


@transaction.atomic
def destroy_data_key(key: DataKey, *, actor: Actor) -> None:
    """Give a rotated key up for ever. Raises ``KeyInUse`` while anything could still need it."""
    rbac.require(actor, "encryption.rotate_datakey", key.tenant or rbac.EVERYWHERE)
    key.lock()
    if key.status != DataKeyStatus.ACCEPTED:
        raise KeyInUse(f"The {key} is {key.get_status_display()}.", current=key.status)
    if not DataKey.objects.filter(pk=key.pk, rotated_at__lt=Now() - SETTLED_AFTER).exists():
        raise KeyInUse("It was rotated less than an hour ago: somebody may still seal by it.", current=key.status)
    for model, field in sealed_fields():
        if model._base_manager.filter(**{f"{field}__contains": f":{key.name}:"}).exists():
            raise KeyInUse(f"{model._meta.verbose_name}: some are sealed by it still.", current=key.status)
    key.move_to(DataKeyStatus.DESTROYED, wrapped="")
    audit.record(actor, "datakey.destroyed", key, before={"number": key.number})


def _sealed_anew(row: Any, field: str) -> int:
    """Seal one secret by the current key, unless it was changed meanwhile, which has done so already."""
    old = getattr(row, field)
    seal(row, field, unseal(row, field))
    return int(type(row)._base_manager.filter(pk=row.pk, **{field: old}).update(**{field: getattr(row, field)}))


def _current_names() -> Mapping[UUID | None, str]:
    return {key.tenant_id: key.name for key in DataKey.objects.filter(status=DataKeyStatus.CURRENT)}
