"""Enrolment keys: templates with which many machines enrol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit import services as audit
from apps.core import tokens
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid
from apps.events import services as events
from apps.rbac import services as rbac
from apps.robots import rules
from apps.robots.models import EnrolmentKey, EnrolmentKeyFolder
from apps.robots.services import _checks, _making
from apps.tenancy.models import Folder, Tenant

#: What of a key can be said and changed.
ENROLMENT_KEY_FIELDS = ("name", "description", "labels", "slots", "networks", "most_uses", "expires_at", "folders")


@transaction.atomic
def create_enrolment_key(tenant: Tenant, *, actor: Actor, name: str, **fields: Any) -> tuple[EnrolmentKey, str]:
    """Make a key from ``ENROLMENT_KEY_FIELDS``; its text is returned this once. Raises ``Conflict``, ``Invalid``."""
    rbac.require(actor, "robots.add_enrolmentkey", tenant)
    plain = tokens.generate(EnrolmentKey.KIND)
    key = EnrolmentKey.holding(plain, tenant=tenant)
    _fill(key, {"name": name, **fields})
    _checks.save_named(key)
    _set_folders(key, fields.get("folders", ()))
    audit.record(actor, "enrolment_key.created", key, after=_facts(key))
    events.record("enrolment_key.created", key)
    return key, str(plain)


@transaction.atomic
def update_enrolment_key(key: EnrolmentKey, *, actor: Actor, **fields: Any) -> EnrolmentKey:
    """Change any of ``ENROLMENT_KEY_FIELDS``, for what it makes from now on.

    Folders that the actor may not see stay too; to add one, the actor must be allowed to change keys in it. Raises
    ``Conflict`` where it was revoked, ``Invalid``.
    """
    rbac.require(actor, "robots.change_enrolmentkey", key)
    _hold(key)
    before = _facts(key)
    _fill(key, fields)
    _checks.save_named(key)
    if "folders" in fields:
        unseen = key.folders.exclude(pk__in=Folder.objects.visible_to(actor).values("pk"))
        added = _set_folders(key, [*fields["folders"], *unseen])
        _checks.may_work_for(actor, "robots.change_enrolmentkey", added)
    audit.record(actor, "enrolment_key.updated", key, before=before, after=_facts(key))
    events.record("enrolment_key.updated", key)
    return key


@transaction.atomic
def replace_enrolment_key(key: EnrolmentKey, *, actor: Actor) -> str:
    """Give a key a new text, returned this once; the old one makes nothing from now on.

    Robots that enrolled with it keep their tokens. Raises ``Conflict`` where it was revoked.
    """
    rbac.require(actor, "robots.rotate_enrolmentkey", key)
    _hold(key)
    plain = tokens.generate(EnrolmentKey.KIND)
    key.public, key.digest, key.last_used_at = plain.public, plain.digest(settings.TOKEN_PEPPER), None
    key.save(update_fields=["public", "digest", "last_used_at"])
    audit.record(actor, "enrolment_key.replaced", key)
    events.record("enrolment_key.replaced", key)
    return str(plain)


@transaction.atomic
def revoke_enrolment_key(key: EnrolmentKey, *, actor: Actor, reason: str = "") -> EnrolmentKey:
    """End a key for good; the machines and robots it made stay as they are. Raises ``Conflict`` where it has ended."""
    rbac.require(actor, "robots.delete_enrolmentkey", key)
    _hold(key)
    EnrolmentKey.objects.filter(pk=key.pk).update(revoked_at=Now())
    key.refresh_from_db()
    audit.record(actor, "enrolment_key.revoked", key, before=_facts(key), reason=reason)
    events.record("enrolment_key.revoked", key)
    return key


def _hold(key: EnrolmentKey) -> None:
    _checks.lock(key)
    if key.revoked_at is not None:
        raise Conflict(f"“{key.name}” has been revoked. Make another key.", code="key_revoked")


def _fill(key: EnrolmentKey, fields: dict[str, Any]) -> None:
    """Put what was asked for into the row. Raises ``Invalid``."""
    unknown = sorted(set(fields) - set(ENROLMENT_KEY_FIELDS))
    if unknown:
        raise TypeError(f"not of an enrolment key: {', '.join(unknown)}")
    checks: dict[str, Callable[[Any], Any]] = {
        "name": _checks.name,
        "labels": _checks.labels,
        "slots": _making.checked_slots,
        "networks": _networks,
        "expires_at": _future,
    }
    for name in fields.keys() - {"folders"}:
        setattr(key, name, checks.get(name, lambda value: value)(fields[name]))
    if key.most_uses is not None and key.most_uses < max(key.uses, 1):
        raise Invalid.field("most_uses", f"it has made {key.uses} already; allow at least {max(key.uses, 1)}, or any.")


def _networks(wanted: Sequence[str]) -> list[str]:
    networks, wrong = rules.normalise_networks(wanted)
    if wrong:
        raise Invalid.field("networks", f"write networks such as 10.1.0.0/16 or fd00::/8, not {', '.join(wrong)}.")
    return networks


def _future(moment: datetime | None) -> datetime | None:
    if moment is not None and moment <= timezone.now():
        raise Invalid.field("expires_at", "choose a moment in the future, or none. To end it now, revoke it.")
    return moment


def _set_folders(key: EnrolmentKey, folders: Iterable[Folder]) -> list[Folder]:
    """Let robots made by a key work for ``folders``; returns those added."""
    chosen = {folder.pk: folder for folder in _checks.folders(folders, tenant_id=key.tenant_id)}
    EnrolmentKeyFolder.objects.filter(key=key).exclude(folder_id__in=chosen).delete()
    known = set(EnrolmentKeyFolder.objects.filter(key=key).values_list("folder_id", flat=True))
    EnrolmentKeyFolder.objects.bulk_create(
        [EnrolmentKeyFolder(tenant_id=key.tenant_id, key=key, folder_id=pk) for pk in chosen], ignore_conflicts=True
    )
    return [folder for pk, folder in chosen.items() if pk not in known]


def _facts(key: EnrolmentKey) -> dict[str, Any]:
    return {
        **{name: getattr(key, name) for name in ENROLMENT_KEY_FIELDS if name != "folders"},
        "expires_at": key.expires_at and key.expires_at.isoformat(),
        "uses": key.uses,
        "folders": sorted(key.folders.values_list("name", flat=True)),
    }
