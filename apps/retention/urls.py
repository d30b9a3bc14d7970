"""Addresses of the bin, below ``/api/v1/``."""

from apps.core.api.routes import api_path
from apps.retention.views import BinView

urlpatterns = [api_path("bin", BinView.as_view(), name="bin")]
