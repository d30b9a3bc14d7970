"""Times as the person at the page reads them."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone


class LocalTime:
    """Makes the signed-in person's time zone the current one on pages of the admin; programs always read UTC."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(reverse("admin:index")) or not request.user.is_authenticated:
            return self.get_response(request)
        with timezone.override(zone_of(request.user.time_zone)):
            return self.get_response(request)


def zone_of(name: str) -> zoneinfo.ZoneInfo:
    """Return the zone of that name, or UTC where this machine's data does not know it."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo("UTC")
