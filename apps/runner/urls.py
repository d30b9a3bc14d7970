"""Addresses of the robot API, below ``/api/v1/``."""

from apps.core.api.routes import api_path
from apps.runner.views import robots

urlpatterns = [
    api_path("runner/register-robot", robots.register),
    api_path("runner/sessions", robots.open_session),
    api_path("runner/sync", robots.sync),
    api_path("runner/leases/<str:lease>/start", robots.start),
    api_path("runner/leases/<str:lease>/finish", robots.finish),
    api_path("runner/leases/<str:lease>/release", robots.release),
    api_path("runner/leases/<str:lease>/log", robots.log),
    api_path("runner/packages/<str:version>/download", robots.download),
]
