"""Addresses that exist for tests only."""

from django.contrib import admin
from django.urls import include, path

from apps.core.api.routes import ApiRouter, api_path
from tests.core.api import doors

router = ApiRouter()
router.register("records", doors.RecordViewSet, basename="record")

urlpatterns = [
    path("admin/", admin.site.urls),
    api_path("api/test/echo", doors.Echo.as_view()),
    api_path("api/test/echo-small", doors.EchoSmall.as_view()),
    api_path("api/test/echo-lists", doors.EchoLists.as_view()),
    api_path("api/test/upload", doors.Upload.as_view()),
    api_path("api/test/open", doors.OpenToAll.as_view()),
    api_path("api/test/plain", doors.plain_echo),
    api_path("api/test/plain-once", doors.plain_once),
    api_path("api/test/faults/<slug:fault>", doors.Faulty.as_view()),
    api_path("api/test/plain-faults/<slug:fault>", doors.plain_faulty),
    api_path("api/test/quiet", doors.quiet_view),
    path("api/test/", include(router.urls)),
    path("pages/<slug:fault>", doors.page_faulty),
]
