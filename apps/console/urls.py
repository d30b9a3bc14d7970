"""Addresses for whoever watches over the system, and of what joins everything."""

from django.urls import path

from apps.console.views import health, metrics
from apps.console.views.audit import AuditViewSet
from apps.console.views.contact import security_txt
from apps.console.views.csp_reports import csp_reports
from apps.console.views.events import Events
from apps.console.views.schema import Docs, Schema
from apps.core.api.routes import ApiRouter, api_path

router = ApiRouter()
router.register("audit", AuditViewSet, basename="audit")

#: Below ``/api/v1/``.
api_patterns = [
    api_path("events", Events.as_view(), name="events"),
    api_path("schema", Schema.as_view(), name="schema"),
    api_path("docs", Docs.as_view(), name="docs"),
    *router.urls,
]

urlpatterns = [
    api_path("health", health.ready),
    api_path("health/live", health.live, name="health-live"),
    api_path("health/ready", health.ready, name="health-ready"),
    api_path("api/health", health.ready),
    api_path("api/v1/health/live", health.live),
    api_path("api/v1/health/ready", health.ready),
    api_path("metrics", metrics.metrics, name="metrics"),
    api_path("api/v1/metrics", metrics.metrics),
    path("csp-reports", csp_reports, name="csp-reports"),
    path(".well-known/security.txt", security_txt, name="security-txt"),
]
