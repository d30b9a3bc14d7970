"""What browsers may do with our answers, and what happens when something in a page tries more."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

#: What no page of ours needs, so that nothing that gets into one has it either.
_UNUSED_FEATURES: Final = (
    "accelerometer", "autoplay", "browsing-topics", "camera", "display-capture", "encrypted-media", "fullscreen",
    "geolocation", "gyroscope", "magnetometer", "microphone", "midi", "payment", "picture-in-picture",
    "screen-wake-lock", "serial", "usb", "xr-spatial-tracking",
)  # fmt: skip
PERMISSIONS: Final = ", ".join(f"{feature}=()" for feature in _UNUSED_FEATURES)
#: The library of the admin's pages evaluates expressions that stand in attributes, and styles elements in place.
_OF_THE_ADMIN: Final = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}


class BrowserPolicy(CSPMiddleware):
    """Tells browsers what a page may load and do: strictly everywhere, with one exception for the admin's pages.

    It stands outside all layers that answer by themselves, so that static files and refusals have the headers as well.
    """

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """Return what the policy is made of; raises nothing."""
        parts = super().get_policy_parts(request, response, report_only)
        if report_only or not request.path_info.startswith(reverse("admin:index")):
            return parts
        return replace(parts, replace=_OF_THE_ADMIN | (parts.replace or {}))

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Add what the answer has not said by itself."""
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return super().process_response(request, response)
