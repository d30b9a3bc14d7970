"""How far a new key reaches: what its maker asks for, and that nobody makes one that reaches further than they do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from django.contrib.auth.models import Permission

from apps.accounts.models import User
from apps.core.actors import Actor, Bounds
from apps.core.errors import Invalid, NotAllowed
from apps.rbac import services as rbac
from apps.rbac.rules import OPERATIONAL_APPS
from apps.tenancy.models import Folder, Tenant

MOST_SCOPES, MOST_FOLDERS, MOST_NETWORKS = 100, 50, 50


def read_bounds(
    scopes: Iterable[str] | None, folders: Sequence[Folder] | None, networks: Iterable[str], *, tenant: Tenant
) -> Bounds:
    """Return what was asked for, in order. Raises ``Invalid``, which names what is wrong with which."""
    paths = None if folders is None else tuple(sorted(folder.path for folder in folders))
    if folders is not None and not 0 < len(folders) <= MOST_FOLDERS:
        raise Invalid.field("folders", f"name 1 to {MOST_FOLDERS} folders, or leave it out: then it works in all.")
    if any(folder.tenant_id != tenant.pk or folder.deleted_at is not None for folder in folders or ()):
        raise Invalid.field("folders", "a key works in folders of its own tenant only.")
    return Bounds(None if scopes is None else _read_scopes(scopes), paths, _read_networks(networks))


def refuse_wider(bounds: Bounds, *, actor: Actor) -> None:
    """Raise ``NotAllowed`` where a key would reach further than the credential with which it is made or renewed."""
    side = bounds.wider_than(actor.bounds) if actor.bounds is not None else ""
    if side:
        raise NotAllowed(
            f"This credential is narrowed by its {side}: a key that it makes cannot reach further. "
            f"Name {side} within its own.",
            actor=actor,
        )


def refuse_more_than_own(user: User, bounds: Bounds, tenant: Tenant, *, actor: Actor) -> None:
    """Raise ``NotAllowed`` where a key would let the actor do, as ``user``, what it may not do itself."""
    if actor.user == user or actor.is_almighty:
        return
    permitted = [one for one in _operational() if bounds.permit(one)]
    rbac.refuse_acting_as(actor, user, tenant, permitted=None if bounds.scopes is None else permitted)


def _read_scopes(scopes: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(scope.strip() for scope in scopes)
    if not 0 < len(wanted) <= MOST_SCOPES:
        raise Invalid.field("scopes", f"name 1 to {MOST_SCOPES} scopes, or leave it out: then all that its user may.")
    known = _operational()
    for scope in sorted(wanted):
        narrowed = Bounds(frozenset((scope,)))
        if scope == "*.*" or not any(narrowed.permit(permission) for permission in known):
            raise Invalid.field(
                "scopes",
                f"there is nothing that “{scope[:100]}” permits. Write a permission (jobs.cancel_job), "
                "an area (jobs.*) or a verb (*.view).",
            )
    return wanted


def _read_networks(networks: Iterable[str]) -> tuple[str, ...]:
    texts = [text.strip() for text in networks]
    if len(texts) > MOST_NETWORKS:
        raise Invalid.field("networks", f"name at most {MOST_NETWORKS} networks.")
    try:
        return tuple(sorted({str(ip_network(text, strict=False)) for text in texts}))
    except ValueError as error:
        raise Invalid.field("networks", f"{error}. Write networks such as 10.0.0.0/8 or 2001:db8::/32.") from error


def _operational() -> set[str]:
    wanted = Permission.objects.filter(content_type__app_label__in=OPERATIONAL_APPS)
    return {f"{app}.{code}" for app, code in wanted.values_list("content_type__app_label", "codename")}
