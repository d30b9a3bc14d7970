"""Times as the person at the page reads them."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from apps.configuration.models import Setting


class LocalTime:
    """Makes the person's time zone, or the installation's, that of pages of the admin; programs always read UTC."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(reverse("admin:index")):
            return self.get_response(request)
        user = request.user
        zone = user.time_zone if user.is_authenticated else Setting.objects.lately("general")["timezone"]
        with timezone.override(zone_of(zone)):
            return self.get_response(request)


def zone_of(name: str) -> zoneinfo.ZoneInfo:
    """Return the zone of that name, or UTC where this machine's data does not know it."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo("UTC")
