"""The admin site: what it is called, what one may open in it, and its search."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils import timezone

from apps.accounts import services as accounts
from apps.accounts.authentication import WAIT
from apps.configuration.models import Setting
from apps.console.views import searching
from apps.core.admin.site import OperatorSite
from apps.core.api.callers import actor_of
from apps.rbac import services as rbac
from apps.tenancy.models import Brake


class _Everything:
    """What superusers hold, and whoever has a role that grants all."""

    def __contains__(self, permission: str) -> bool:
        return True


EVERYTHING: Final = _Everything()
#: A page tells of so many brakes; the list has all of them.
MOST_BRAKES = 3


class ConsoleSite(OperatorSite):
    """The operators' site."""

    index_title = "Dashboard"

    def holds(self, request: HttpRequest, permission: str) -> bool:
        """Answer from what the person holds anywhere, which is asked of the database once for each request."""
        held = getattr(request, "permissions_held", None)
        if held is None:
            held = request.permissions_held = permissions_held(request)  # type: ignore[attr-defined]
        return permission in held

    def explain_address(self, request: HttpRequest, row: Any) -> str:
        """Return where access to a row is explained; empty for whoever may not ask, and for what is not asked of."""
        kind = str(row._meta.model_name)
        if kind not in accounts.explained_kinds() or not self.holds(request, "rbac.view_roleassignment"):
            return ""
        return f"{reverse('admin:explain')}?object={kind}:{row.pk}"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the brakes that are on, which every page tells of; asked only by a page that is drawn."""
        context: dict[str, Any] = super().each_context(request)
        name = Setting.objects.lately("general")["instance_name"]
        return context | {"brakes_on": partial(_brakes_on, request), "site_title": name, "site_header": name}

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Add the pages that are of no one model."""
        # Imported late: these pages are drawn by apps that register with this site while they are imported.
        from apps.accounts.admin import explaining
        from apps.configuration import admin as configuration
        from apps.mail import admin as mail
        from apps.retention.admin import bins, forecast

        own: dict[str, Callable[..., HttpResponse]] = {
            "settings": partial(configuration.page, beside={"email": mail.test_panel}),
            "retention": forecast.page,
            "bin": bins.page,
            "explain": explaining.page,
        }
        pages = [path(f"{name}/", self.admin_view(partial(page, self)), name=name) for name, page in own.items()]
        test = path("settings/test-mail/", self.admin_view(mail.send_test), name="mail_test")
        return [test, *pages, *super().get_urls()]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the dashboard."""
        # Imported late: it shows columns of other pages, which register with this site while they are imported.
        from apps.console.views import dashboard

        context = {**self.each_context(request), "title": self.index_title, **dashboard.contents(request, self)}
        return TemplateResponse(request, "console/dashboard.html", context)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Sign in; where nobody looks at a try for a while, say for how long, whether there is such a user or not."""
        response: HttpResponse = super().login(request, extra_context)
        wait = getattr(request, WAIT, None)
        if not wait:
            return response
        seconds = max(1, int(wait.total_seconds()))
        context = {"wait": timezone.now() + wait}
        return TemplateResponse(
            request, "operator/locked.html", context, status=429, headers={"Retry-After": str(seconds)}
        )

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Answer the command palette by pages and rows that the person may open."""
        found = searching.find(request, self, request.GET.get("s", ""))
        return TemplateResponse(request, "console/search_results.html", {"results": found})


def _brakes_on(request: HttpRequest) -> list[Brake]:
    if not request.user.is_authenticated:
        return []
    brakes = Brake.objects.visible_to(actor_of(request)).on().select_related("tenant", "folder")
    return list(brakes.order_by("pk")[:MOST_BRAKES])


def permissions_held(request: HttpRequest) -> set[str] | _Everything:
    """Return the permissions that the person holds somewhere, by a role or on a single object."""
    actor = actor_of(request)
    if actor.user.is_superuser:
        return EVERYTHING
    if rbac.held_assignments(actor).filter(role__grants_all=True).exists():
        return EVERYTHING
    held = rbac.permissions_held(actor).order_by().values_list("content_type__app_label", "codename")
    return {f"{app}.{code}" for app, code in held}
