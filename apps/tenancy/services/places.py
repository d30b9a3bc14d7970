"""Making and changing tenants and folders."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ManyToOneRel
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.text import slugify

from apps.audit import services as audit
from apps.core import bin, ids
from apps.core.actors import Actor
from apps.core.columns import refuse_unfit
from apps.core.errors import Conflict, Invalid, Problem
from apps.events import services as events
from apps.rbac import services as rbac
from apps.tenancy.models import MAX_FOLDER_DEPTH, Brake, Folder, Tenant, TenantStatus

DEFAULT_FOLDER_NAME = "Shared"
LONGEST_SLUG = 63
LONGEST_REASON = 300
#: First path segments that are ours; a tenant's slug stands there for released clients.
RESERVED_SLUGS = {"admin", "api", "health", "live", "metrics", "static", "orchestrator_", "accounts", "sdk-auth"}


class NameTaken(Conflict):
    """Another living thing of this kind has that name in this place."""

    code = "name_taken"


@transaction.atomic
def create_tenant(name: str, *, actor: Actor, slug: str = "") -> Tenant:
    """Make a tenant and its default folder. Raises ``Invalid`` for a bad slug and ``NameTaken``."""
    rbac.require(actor, "tenancy.add_tenant", rbac.EVERYWHERE)
    slug = slug or slugify(name)[:LONGEST_SLUG].rstrip("-")
    if not slug or slug != slugify(slug) or slug in RESERVED_SLUGS:
        raise Invalid.field("slug", "use lower-case letters, digits and hyphens; some words are reserved.")
    tenant = Tenant(name=name.strip() or slug, slug=slug)
    refuse_unfit(tenant, "name", "slug")
    try:
        with transaction.atomic():
            tenant.save(force_insert=True)
    except IntegrityError as error:
        raise NameTaken(f"There is a tenant with the slug “{slug}” already.") from error
    identity = ids.uuid7()
    Folder.objects.create(
        id=identity, tenant=tenant, name=DEFAULT_FOLDER_NAME, path=f"/{identity.hex}/", is_default=True
    )
    audit.record(actor, "tenant.created", tenant, after={"name": tenant.name, "slug": slug})
    events.record("tenant.created", tenant)
    return tenant


@transaction.atomic
def rename_tenant(tenant: Tenant, *, actor: Actor, name: str) -> Tenant:
    """Give a tenant another display name; its slug stays."""
    rbac.require(actor, "tenancy.change_tenant", tenant)
    before, tenant.name = tenant.name, name.strip()
    if not tenant.name:
        raise Invalid.field("name", "a tenant needs a name.")
    refuse_unfit(tenant, "name")
    tenant.save(update_fields=["name"])
    audit.record(actor, "tenant.renamed", tenant, before={"name": before}, after={"name": tenant.name})
    return tenant


@transaction.atomic
def suspend_tenant(tenant: Tenant, *, actor: Actor, reason: str = "") -> Tenant:
    """Refuse the tenant's robots and changes until it is resumed; its rows stay readable."""
    rbac.require(actor, "tenancy.change_tenant", rbac.EVERYWHERE)
    tenant.move_to(TenantStatus.SUSPENDED)
    audit.record(actor, "tenant.suspended", tenant, reason=reason)
    events.record("tenant.suspended", tenant)
    return tenant


@transaction.atomic
def resume_tenant(tenant: Tenant, *, actor: Actor) -> Tenant:
    """Let a suspended tenant work again."""
    rbac.require(actor, "tenancy.change_tenant", rbac.EVERYWHERE)
    tenant.move_to(TenantStatus.ACTIVE)
    audit.record(actor, "tenant.resumed", tenant)
    events.record("tenant.resumed", tenant)
    return tenant


@transaction.atomic
def create_folder(parent: Folder | Tenant, *, actor: Actor, name: str) -> Folder:
    """Make a folder inside a folder, or at the top of a tenant. Raises ``NameTaken``."""
    rbac.require(actor, "tenancy.add_folder", parent)
    if isinstance(parent, Folder) and parent.deleted_at is not None:
        raise Conflict(f"“{parent.name}” has been deleted. Choose another folder.", code="folder_deleted")
    above = parent.path if isinstance(parent, Folder) else "/"
    if above.count("/") > MAX_FOLDER_DEPTH:
        raise Invalid.field("parent", f"folders nest at most {MAX_FOLDER_DEPTH} deep.")
    identity = ids.uuid7()
    folder = Folder(
        id=identity,
        tenant_id=parent.tenant_id,
        parent=parent if isinstance(parent, Folder) else None,
        name=_folder_name(name),
        path=f"{above}{identity.hex}/",
    )
    _save_named(folder)
    audit.record(actor, "folder.created", folder, after={"name": folder.name})
    events.record("folder.created", folder)
    return folder


@transaction.atomic
def rename_folder(folder: Folder, *, actor: Actor, name: str) -> Folder:
    """Give a folder another name. Raises ``NameTaken``."""
    rbac.require(actor, "tenancy.change_folder", folder)
    before, folder.name = folder.name, _folder_name(name)
    _save_named(folder, update_fields=["name"])
    audit.record(actor, "folder.renamed", folder, before={"name": before}, after={"name": folder.name})
    return folder


@transaction.atomic
def delete_folder(folder: Folder, *, actor: Actor) -> None:
    """Take an empty folder out of every list. The default folder, and a folder with anything alive in it, stay."""
    rbac.require(actor, "tenancy.delete_folder", folder)
    if folder.is_default:
        raise Conflict("The default folder of a tenant cannot be deleted.")
    if Folder.objects.alive().filter(parent=folder).exists():
        raise Conflict("There are folders inside. Delete those first.")
    _refuse_filled(folder)
    bin.put(folder, by=actor)
    audit.record(actor, "folder.deleted", folder, before={"name": folder.name})
    events.record("folder.deleted", folder)


@transaction.atomic
def restore_folder(folder: Folder, *, actor: Actor, name: str | None = None) -> Folder:
    """Take a folder back out of the bin with the roles held on it; what was deleted in it before stays deleted.

    Raises ``Conflict`` as ``bin.take_back`` does, and while the folder above is gone.
    """
    rbac.require(actor, "tenancy.delete_folder", folder)
    bin.refuse_if_gone(folder.parent, "The folder above,")
    bin.take_back(folder, name=None if name is None else _folder_name(name))
    audit.record(actor, "folder.restored", folder, after={"name": folder.name})
    events.record("folder.restored", folder)
    return folder


@transaction.atomic
def set_brake(
    place: Folder | Tenant | Any,
    *,
    actor: Actor,
    reason: str,
    until: datetime | None = None,
    holds_dispatch: bool = True,
    holds_triggers: bool = True,
) -> Brake:
    """Hold jobs, triggers or both in a folder and below, in a tenant, or everywhere (``rbac.EVERYWHERE``).

    What runs goes on. It ends at ``until``, or when it is lifted. Raises ``Invalid``.
    """
    rbac.require(actor, "tenancy.add_brake", place)
    problems = _problems_of_brake(reason, until, holds_something=holds_dispatch or holds_triggers)
    if problems:
        raise Invalid("; ".join(f"{p.field}: {p.message}" for p in problems), problems=problems)
    folder = place if isinstance(place, Folder) else None
    tenant = folder.tenant if folder else place if isinstance(place, Tenant) else None
    brake = Brake.objects.create(
        tenant=tenant,
        folder=folder,
        reason=reason.strip(),
        until=until,
        holds_dispatch=holds_dispatch,
        holds_triggers=holds_triggers,
        set_by=actor.name,
    )
    audit.record(actor, "brake.set", brake, after={"on": str(brake), "reason": brake.reason, "until": until})
    if tenant is not None:
        events.record("brake.set", brake, data={"reason": brake.reason})
    return brake


@transaction.atomic
def lift_brake(brake: Brake, *, actor: Actor) -> Brake:
    """Let what a brake held go on. One that is lifted already stays as it is."""
    rbac.require(actor, "tenancy.lift_brake", brake if brake.tenant_id else rbac.EVERYWHERE)
    if Brake.objects.filter(pk=brake.pk, lifted_at=None).update(lifted_at=Now(), lifted_by=actor.name):
        audit.record(actor, "brake.lifted", brake, before={"on": str(brake), "reason": brake.reason})
        if brake.tenant_id is not None:
            events.record("brake.lifted", brake)
    brake.refresh_from_db(fields=["lifted_at", "lifted_by"])
    return brake


def _problems_of_brake(reason: str, until: datetime | None, *, holds_something: bool) -> list[Problem]:
    problems = []
    if not reason.strip() or len(reason) > LONGEST_REASON:
        problems.append(Problem("reason", f"say why, in at most {LONGEST_REASON} characters."))
    if until is not None and until <= timezone.now():
        problems.append(Problem("until", "lies in the past. Leave it out to lift the brake by hand."))
    if not holds_something:
        problems.append(Problem("holds_dispatch", "a brake holds jobs, triggers or both."))
    return problems


def _refuse_filled(folder: Folder) -> None:
    """Refuse while something people made lives in the folder, of whichever app: tenancy knows none of them."""
    relations = [one for one in Folder._meta.get_fields(include_hidden=True) if isinstance(one, ManyToOneRel)]
    for relation in relations:
        model = relation.related_model
        if model is Folder or not any(field.name == "deleted_at" for field in model._meta.concrete_fields):
            continue
        if model._base_manager.filter(**{relation.field.name: folder, "deleted_at": None}).exists():
            raise Conflict(f"There are {model._meta.verbose_name_plural} inside. Delete those first.", code="not_empty")


def _folder_name(name: str) -> str:
    name = name.strip()
    if not name or "/" in name:
        raise Invalid.field("name", "a folder needs a name without slashes.")
    return name


def _save_named(folder: Folder, **options: Any) -> None:
    refuse_unfit(folder, "name")
    try:
        with transaction.atomic():
            folder.save(**options)
    except IntegrityError as error:
        raise NameTaken(f"There is a folder “{folder.name}” here already.", field="name") from error
