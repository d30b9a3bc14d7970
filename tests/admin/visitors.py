"""Somebody at the admin, and the addresses of its pages."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.core.actors import Actor
from apps.rbac import services as rbac
from apps.rbac.models import Role
from apps.tenancy.models import Tenant
from tests import make


class Visitor:
    """A person who is signed in to the admin."""

    def __init__(self, person: User) -> None:
        self.person = person
        self.actor = Actor.person(person)
        self.client = Client()
        self.client.force_login(person)

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, query)

    def post(self, path: str, data: dict[str, Any] | None = None) -> Any:
        return self.client.post(path, data or {})

    def open(self, row: Model) -> Any:
        """Open the page of a row."""
        return self.get(page_of(row))

    def do(self, row: Model, operation: str, **data: Any) -> Any:
        """Send the form of an operation on a row."""
        return self.post(page_of(row, operation), data)


def superuser() -> Visitor:
    return Visitor(make.user(superuser=True))


def holding(role: str, inside: Tenant | None = None) -> Visitor:
    """Somebody who holds a built-in role in a tenant, or everywhere."""
    person = make.user()
    rbac.assign_role(Role.objects.get(name=role, tenant=None), actor=make.SYSTEM, user=person, tenant=inside)
    return Visitor(person)


def with_permissions(*permissions: str, inside: Any = None) -> Visitor:
    """Somebody who holds exactly ``permissions`` in a place, or everywhere."""
    return Visitor(make.user(*permissions, inside=inside))


def list_of(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def new(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")


def page_of(row: Model, name: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{name}", args=[row.pk])


def text_of(response: Any) -> str:
    return response.content.decode()
