"""Every address the product answers."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView

from apps.console.urls import api_patterns as console
from apps.runner.urls import bv_patterns

#: The canonical API.
api_v1: list[URLPattern | URLResolver] = [
    path("", include("apps.runner.urls")),
    path("", include("apps.tenancy.urls")),
    path("", include("apps.accounts.urls")),
    path("", include("apps.mail.urls")),
    path("", include("apps.configuration.urls")),
    path("", include("apps.packages.urls")),
    path("", include("apps.robots.urls")),
    path("", include("apps.processes.urls")),
    path("", include("apps.assets.urls")),
    path("", include("apps.queues.urls")),
    path("", include("apps.jobs.urls")),
    path("", include("apps.triggers.urls")),
    path("", include("apps.retention.urls")),
    path("", include(console)),
]
#: What existing clients call: their dialect first, else the canonical API.
dialects: list[URLPattern | URLResolver] = [*bv_patterns, *api_v1]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("", include("apps.console.urls")),
    path("api/v1/", include(api_v1)),
    path("api/", include(dialects)),
    # Released clients put a tenant, and sometimes more, in front; the credential alone says which tenant it is.
    re_path(r"^(?:[^/]+/)+orchestrator_/", include(dialects)),
]
