"""Addresses of settings, below ``/api/v1/``."""

from apps.configuration.views import AllSettings, SettingsOfGroup
from apps.core.api.routes import api_path

urlpatterns = [
    api_path("settings", AllSettings.as_view(), name="settings"),
    api_path("settings/<str:group>", SettingsOfGroup.as_view(), name="settings-group"),
]
