"""Addresses of processes and of limits that they share, below ``/api/v1/``."""

from apps.core.api.routes import ApiRouter
from apps.processes.views.limits import LimitViewSet
from apps.processes.views.processes import ProcessViewSet

router = ApiRouter()
router.register("processes", ProcessViewSet, basename="processes")
router.register("limits", LimitViewSet, basename="limits")

urlpatterns = router.urls
