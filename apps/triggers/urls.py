"""Addresses of triggers and calendars, below ``/api/v1/``."""

from apps.core.api.routes import ApiRouter, api_path
from apps.triggers.views.calendars import CalendarImportViewSet, CalendarViewSet
from apps.triggers.views.triggers import FiringViewSet, TriggerViewSet

router = ApiRouter()
router.register("triggers", TriggerViewSet, basename="triggers")
router.register("calendars", CalendarViewSet, basename="calendars")

urlpatterns = [
    *router.urls,
    api_path("triggers/<str:id>/firings", FiringViewSet.as_view({"get": "firings"})),
    api_path("calendars/<str:id>/import", CalendarImportViewSet.as_view({"post": "take_over"})),
]
