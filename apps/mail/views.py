"""Seeing whether mail leaves."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.filters import refuse_unknown_parameters
from apps.core.api.views import ApiView
from apps.mail import services
from apps.mail.serializers import TestMailSerializer

_QUEUED = {
    "type": "object",
    "properties": {"status": {"type": "string", "enum": ["queued"]}},
    "required": ["status"],
}


class TestMail(ApiView):
    """A mail that only shows that mail leaves."""

    @extend_schema(operation_id="settings_email_test", request=TestMailSerializer, responses={200: _QUEUED})
    def post(self, request: Request) -> Response:
        """Send a test mail with the email settings as they are: at most five a minute.

        The answer says that it is queued; whether it left is shown under *Settings → Mail* and *Mail* in the admin.
        It takes the permission `mail.send_mail`, everywhere.
        """
        refuse_unknown_parameters(request, frozenset())
        asked = self.read(TestMailSerializer)
        services.send_test(asked.get("to", ""), actor=self.actor)
        return Response({"status": "queued"})
