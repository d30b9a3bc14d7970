"""Our own files and links, looked up when a page is made: names of files carry their content's hash."""

from __future__ import annotations

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse


def stylesheet(request: HttpRequest) -> str:
    """Return the address of our stylesheet."""
    return static("operator/operator.css")


def script(request: HttpRequest) -> str:
    """Return the address of our script."""
    return static("operator/operator.js")


def icon(request: HttpRequest) -> str:
    """Return the address of the icon that browsers show beside the title."""
    return static("operator/icon.svg")


def account_links(request: HttpRequest) -> list[dict[str, str]]:
    """Return what stands in the person's own menu."""
    return [{"title": "Your account", "link": reverse("admin:accounts_user_me")}]
