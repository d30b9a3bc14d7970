"""Stores of credentials: the one here, and those of others from which secrets are read when they are needed."""

from __future__ import annotations

import re
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from apps.assets.models import CredentialStore, StoreType
from apps.assets.rules import is_path
from apps.assets.services import _vault
from apps.audit import services as audit
from apps.core import outgoing
from apps.core.actors import Actor
from apps.core.errors import Conflict, DomainError, Invalid, Problem
from apps.core.outgoing import AddressRefused
from apps.encryption.models import seal
from apps.rbac import services as rbac
from apps.tenancy.models import Tenant

OWN_NAME: Final = "Orchestrator Store"
USUAL_MOUNT: Final = "secret"
#: What a caller may set beside the token.
STORE_FIELDS: Final = ("name", "description", "address", "namespace", "mount", "path_prefix")
_ADDRESS: Final = re.compile(r"https?://[^/?#\s]+")
_HEADER: Final = re.compile(r"[\x21-\x7e]{1,4000}")


@transaction.atomic
def ensure_own_stores(*, actor: Actor) -> int:
    """Give each tenant that has none the store that is here; returns how many were made."""
    rbac.require(actor, "assets.add_credentialstore", rbac.EVERYWHERE)
    having = CredentialStore.objects.filter(type=StoreType.INTERNAL).values("tenant_id")
    made = [
        CredentialStore(tenant=tenant, name=OWN_NAME, type=StoreType.INTERNAL, description="Sealed in the database.")
        for tenant in Tenant.objects.exclude(pk__in=having)
    ]
    CredentialStore.objects.bulk_create(made, ignore_conflicts=True)
    return len(made)


@transaction.atomic
def create_store(tenant: Tenant, *, actor: Actor, type: str, token: str, **fields: Any) -> CredentialStore:
    """Name a store of others, with the ``token`` that lets us in. Raises ``Invalid``, ``Conflict``."""
    rbac.require(actor, "assets.add_credentialstore", tenant)
    if type != StoreType.VAULT:
        raise Invalid.field("type", f"must be {StoreType.VAULT}: the store that is here is there already.")
    store = CredentialStore(tenant=tenant, type=type, mount=USUAL_MOUNT)
    _fill(store, fields, token)
    _save(store)
    audit.record(actor, "credentialstore.created", store, after=_facts(store))
    return store


@transaction.atomic
def update_store(store: CredentialStore, *, actor: Actor, token: str = "", **fields: Any) -> CredentialStore:
    """Change a store; without a ``token`` it keeps the one it has. Raises ``Invalid``, ``Conflict``.

    With another address it takes a token: that of the old one is not sent to whomever somebody names.
    """
    rbac.require(actor, "assets.change_credentialstore", store)
    _lock(store)
    before = _facts(store)
    if store.is_default and set(fields) - {"description"}:
        raise Conflict("Of the store that is here only the description can be changed.", code="own_store")
    if not token and fields.get("address", store.address) != store.address:
        raise Invalid.field("token", "say it again: the address is another one.", code="required")
    _fill(store, fields, token)
    _save(store)
    CredentialStore.objects.filter(pk=store.pk).update(changed_at=Now())
    audit.record(
        actor, "credentialstore.updated", store, before=before, after=_facts(store) | {"new_token": bool(token)}
    )
    return store


@transaction.atomic
def delete_store(store: CredentialStore, *, actor: Actor) -> None:
    """Take a store that nothing lies in out of every list; its token is forgotten. Raises ``Conflict``."""
    rbac.require(actor, "assets.delete_credentialstore", store)
    _lock(store)
    if store.is_default:
        raise Conflict("The store that is here stays.", code="own_store")
    used = store.values.filter(asset__deleted_at=None).select_related("asset").first()
    if used is not None:
        raise Conflict(f"The asset “{used.asset}” lies in it.", code="store_in_use")
    CredentialStore.objects.filter(pk=store.pk).update(deleted_at=Now(), token="")
    audit.record(actor, "credentialstore.deleted", store, before=_facts(store))


def try_store(store: CredentialStore, *, actor: Actor) -> None:
    """Ask a store whether it is there and lets us in. Raises ``StoreFailed``, which says what is wrong."""
    rbac.require(actor, "assets.change_credentialstore", store)
    failure: DomainError | None = None
    if not store.is_default:
        try:
            _vault.look_up_token(store)
        except _vault.StoreFailed as error:
            failure = error
    with transaction.atomic():
        audit.record(actor, "credentialstore.tested", store, after={"answer": str(failure or "fine")})
    if failure is not None:
        raise failure


def _lock(store: CredentialStore) -> None:
    """Read a store again and hold it. Raises ``Conflict`` where it was deleted meanwhile."""
    store.refresh_from_db(from_queryset=CredentialStore.objects.select_for_update(of=("self",)))
    if store.deleted_at is not None:
        raise Conflict(f"The store “{store}” was deleted.", code="store_deleted")


def _facts(store: CredentialStore) -> dict[str, Any]:
    return {name: getattr(store, name) for name in STORE_FIELDS} | {"type": store.type}


def _fill(store: CredentialStore, fields: dict[str, Any], token: str) -> None:
    if unknown := set(fields) - set(STORE_FIELDS):
        raise Invalid("Unknown fields.", problems=[Problem(name, "is not a field.") for name in sorted(unknown)])
    for name, value in fields.items():
        setattr(store, name, value.strip())
    store.address = store.address.rstrip("/")
    try:
        store.clean_fields(exclude=["tenant"])
    except ValidationError as error:
        problems = [Problem(name, text) for name, texts in error.message_dict.items() for text in texts]
        raise Invalid("; ".join(f"{p.field}: {p.message}" for p in problems), problems=problems) from error
    if store.type == StoreType.VAULT:
        _refuse_unfit(store, token)
    if token:
        seal(store, "token", token)


def _refuse_unfit(store: CredentialStore, token: str) -> None:
    if not _ADDRESS.fullmatch(store.address):
        raise Invalid.field("address", "must be https:// and a host, if need be with a port, and no path.")
    try:
        outgoing.refuse_address(store.address)
    except AddressRefused as refusal:
        raise Invalid.field("address", str(refusal), code=refusal.code) from refusal
    for name, text in (("mount", store.mount or "-"), ("path_prefix", store.path_prefix or "-")):
        if not is_path(text):
            raise Invalid.field(name, "must be names with slashes between, such as team/robots.")
    if not store.mount:
        raise Invalid.field("mount", f"say where the engine is mounted, such as {USUAL_MOUNT}.", code="required")
    if not (store.token or token) or (token and not _HEADER.fullmatch(token)):
        raise Invalid.field("token", "is needed, in plain characters without spaces.", code="required")
    if store.namespace and not _HEADER.fullmatch(store.namespace):
        raise Invalid.field("namespace", "must be of plain characters without spaces.")


def _save(store: CredentialStore) -> None:
    try:
        with transaction.atomic():
            store.save()
    except IntegrityError as error:
        if "credentialstore_name_free" not in str(error):
            raise
        raise Conflict(f"There is a store “{store.name}” already.", code="name_taken", field="name") from error
