"""The site that all pages of the admin belong to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from apps.core.admin import refusals
from apps.core.admin.base import AdminSite


class OperatorSite(AdminSite):
    """An admin that asks our permissions, and answers our refusals."""

    def holds(self, request: HttpRequest, permission: str) -> bool:
        """Say whether the person holds ``permission`` (``app.codename``) anywhere: it shows or hides a door."""
        return bool(request.user.has_perm(permission))

    def explain_address(self, request: HttpRequest, row: Any) -> str:
        """Return where it is explained who may do what to a row; empty where it is not."""
        return ""

    def admin_view(self, view: Callable[..., HttpResponseBase], cacheable: bool = False) -> Any:
        """Guard a view as Django does, and answer the refusals of services by a page."""
        return super().admin_view(refusals.answering_refusals(view, self.each_context), cacheable)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return nothing: the navigation says what there is, without a question per model."""
        return []

    def app_index(  # type: ignore[override]
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send on to the dashboard: apps are rooms of the code, not places for operators."""
        return redirect("admin:index")

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # type: ignore[override]
        """Send on to the person's own page, where a service changes the password."""
        return redirect("admin:accounts_user_me")
