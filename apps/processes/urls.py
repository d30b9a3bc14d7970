"""Addresses of processes, below ``/api/v1/``."""

from apps.core.api.routes import ApiRouter
from apps.processes.views import ProcessViewSet

router = ApiRouter()
router.register("processes", ProcessViewSet, basename="processes")

urlpatterns = router.urls
