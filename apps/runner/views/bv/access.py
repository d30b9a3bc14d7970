"""Roles, users and who holds which, in the calls of existing BV clients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.core.actors import Actor
from apps.core.api.bodies import read_json
from apps.core.api.plain import api_view
from apps.core.errors import Invalid, NotFound
from apps.rbac import services as rbac
from apps.requests.views import answer_once
from apps.runner.authentication import program_of
from apps.runner.serializers import bv_access
from apps.runner.views.robots import reply
from apps.tenancy.views.places import tenant_for

MOST_LISTED = 1000


@api_view("GET", "POST")
def roles(request: HttpRequest) -> HttpResponseBase:
    """List the roles that the caller knows, or make one in the caller's tenant."""
    actor = program_of(request)
    if request.method == "GET":
        known = _roles(actor).order_by("name", "id")[:MOST_LISTED]
        return reply([bv_access.role_body(role) for role in known])
    data = read_json(request)
    return answer_once(partial(_create, request, actor, data), request=request, actor=actor, data=data)


@api_view("GET", "PUT", "DELETE")
def role(request: HttpRequest, role: UUID) -> HttpResponseBase:
    """Read a role, change it, or take it away."""
    actor = program_of(request)
    data = read_json(request) if request.method == "PUT" else None
    found = _roles(actor).filter(pk=role).first()
    if found is None:
        raise NotFound("There is no such role.")
    if request.method == "DELETE":
        rbac.delete_role(found, actor=actor)
        return HttpResponse(status=204)
    if data is not None:
        rbac.update_role(found, actor=actor, **bv_access.read_role(data, found))
    return reply(bv_access.role_body(_roles(actor).get(pk=role)))


@api_view("GET")
def users(request: HttpRequest) -> HttpResponseBase:
    """List the users that the caller knows, with the roles they hold where the caller may see it."""
    actor = program_of(request)
    known = list(User.objects.visible_to(actor).order_by("username")[:MOST_LISTED])
    held = rbac.visible_assignments(actor).filter(user__in=known).order_by("role__name")
    names: dict[UUID, dict[str, None]] = {}
    for user, name in held.values_list("user_id", "role__name"):
        names.setdefault(user, {})[name] = None
    return reply([bv_access.user_body(user, names.get(user.pk, ())) for user in known])


@api_view("GET", "POST")
def roles_of_user(request: HttpRequest, user: UUID) -> HttpResponseBase:
    """List the roles that a user holds in all of the caller's tenant, or say which these shall be."""
    actor = program_of(request)
    wanted = bv_access.read_role_ids(read_json(request)) if request.method == "POST" else None
    found, tenant = _user(actor, user), tenant_for(Request(request), actor)
    if wanted is not None:
        known = list(_roles(actor).filter(pk__in=wanted))
        if len(known) != len(set(wanted)):
            raise Invalid.field("role_ids", "there is no such role.")
        rbac.replace_roles(found, actor=actor, tenant=tenant, roles=known)
    held = rbac.visible_assignments(actor).filter(user=found, tenant=tenant, folder=None)
    return reply([bv_access.role_body(one) for one in _roles(actor).filter(pk__in=held.values("role_id"))])


@api_view("POST")
def disable_user(request: HttpRequest, user: UUID) -> HttpResponseBase:
    """Keep a user out."""
    return _switch(request, user, accounts.disable_user)


@api_view("POST")
def enable_user(request: HttpRequest, user: UUID) -> HttpResponseBase:
    """Let a user in again."""
    return _switch(request, user, accounts.enable_user)


def _switch(request: HttpRequest, user: UUID, service: Callable[..., User]) -> HttpResponse:
    actor = program_of(request)
    return reply(bv_access.user_body(service(_user(actor, user), actor=actor), ()))


def _create(request: HttpRequest, actor: Actor, data: dict[str, Any]) -> HttpResponse:
    wanted = bv_access.read_role(data)
    tenant = tenant_for(Request(request), actor)
    made = rbac.create_role(wanted.pop("name"), actor=actor, tenant=tenant, **wanted)
    return reply(bv_access.role_body(made), status=201)


def _roles(actor: Actor) -> Any:
    return rbac.visible_roles(actor).prefetch_related("permissions__content_type").order_by("name", "id")


def _user(actor: Actor, identity: UUID) -> User:
    found: User | None = User.objects.visible_to(actor).filter(pk=identity).first()
    if found is None:
        raise NotFound("There is no such user.")
    return found
