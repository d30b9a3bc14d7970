"""Addresses of mail, below ``/api/v1/``."""

from apps.core.api.routes import api_path
from apps.mail.views import TestMail

urlpatterns = [
    api_path("settings/email/test", TestMail.as_view(), name="settings-email-test"),
]
