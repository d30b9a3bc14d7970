"""Addresses for whoever watches over the system."""

from apps.console.views import health, metrics
from apps.core.api.routes import api_path

urlpatterns = [
    api_path("health", health.ready),
    api_path("health/live", health.live, name="health-live"),
    api_path("health/ready", health.ready, name="health-ready"),
    api_path("api/health", health.ready),
    api_path("api/v1/health/live", health.live),
    api_path("api/v1/health/ready", health.ready),
    api_path("metrics", metrics.metrics, name="metrics"),
    api_path("api/v1/metrics", metrics.metrics),
]
