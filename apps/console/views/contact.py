"""Where to tell of a weakness, at the address where people look for it (RFC 9116)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

#: What is older should be asked for again.
_GOOD_FOR: Final = timedelta(days=180)


@require_safe
def security_txt(request: HttpRequest) -> HttpResponse:
    """Return whom to tell, as ``SECURITY_CONTACT`` says; without it there is no such page."""
    if not settings.SECURITY_CONTACT:
        raise Http404("SECURITY_CONTACT is not set.")
    ends = (timezone.now() + _GOOD_FOR).strftime("%Y-%m-%dT00:00:00Z")
    text = f"Contact: {settings.SECURITY_CONTACT}\nExpires: {ends}\nPreferred-Languages: en\n"
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "max-age=86400"})
