"""What machines and robots have in common when they are changed: names, labels, locks, and the machine's key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotSignedIn, Problem
from apps.rbac import services as rbac
from apps.robots import rules
from apps.robots.models import EnrolmentKey, Machine, MachineKey, Robot
from apps.tenancy.models import Folder


def hold_by_key(machine: Machine, key: str) -> None:
    """Lock a machine whose live key is ``key``, so that the key cannot end meanwhile. Raises ``NotSignedIn``."""
    Machine.objects.select_for_update().get(pk=machine.pk)
    row = MachineKey.matching(key)
    if row is None or row.machine_id != machine.pk:
        raise NotSignedIn("Invalid machine_key", code="bad_machine_key")


def name(wanted: str) -> str:
    """Return a usable name for a machine or robot. Raises ``Invalid``."""
    wanted = wanted.strip()
    if not 0 < len(wanted) <= 100 or not wanted.isprintable():
        raise Invalid.field("name", "give it a name of up to 100 printable characters.")
    return wanted


def labels(wanted: Sequence[str]) -> list[str]:
    """Return labels in their one form. Raises ``Invalid`` that names the wrong ones."""
    normal = rules.normalise_labels(wanted)
    if wrong := rules.wrong_labels(normal):
        raise Invalid.field("labels", f"use letters, digits and . _ : / = - only, not {', '.join(wrong)}.")
    return normal


def pushed_settings(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings to be pushed to a robot, in their one order. Raises ``Invalid`` that names the wrong ones."""
    if wrong := rules.wrong_settings(wanted):
        problems = [Problem(f"pushed_settings.{name}", text) for name, text in wrong.items()]
        raise Invalid("; ".join(f"{one.field}: {one.message}" for one in problems), problems=problems)
    return {name: wanted[name] for name in rules.PUSHED_SETTINGS if name in wanted}


def folders(wanted: Iterable[Folder], *, tenant_id: UUID) -> list[Folder]:
    """Return folders that a tenant's robots can work for. Raises ``Invalid``."""
    chosen = list(wanted)
    if any(folder.tenant_id != tenant_id or folder.deleted_at is not None for folder in chosen):
        raise Invalid.field("folders", "a robot works for living folders of its own tenant only.")
    return chosen


def may_work_for(actor: Actor, permission: str, folders: Iterable[Folder]) -> None:
    """Refuse to let robots work for folders in which the actor may not change them: they are given all that runs there.

    Raises ``NotAllowed``.
    """
    for folder in folders:
        rbac.require(actor, permission, folder)


def lock(row: Any) -> None:
    """Read a row again and hold it, so that two changes at once do not undo each other."""
    row.refresh_from_db(from_queryset=type(row)._base_manager.select_for_update(of=("self",)))


def save_named(row: Machine | Robot | EnrolmentKey, **options: Any) -> None:
    """Save a row whose name must be free. Raises ``Conflict``."""
    try:
        with transaction.atomic():
            row.save(**options)
    except IntegrityError as error:
        if "name_free" not in str(error):
            raise
        noun = row._meta.verbose_name
        raise Conflict(f"There is a {noun} “{row.name}” already.", code="name_taken", field="name") from error
