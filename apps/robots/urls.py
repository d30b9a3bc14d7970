"""Addresses of machines, below ``/api/v1/``."""

from apps.core.api.routes import ApiRouter
from apps.robots.views import MachineViewSet

router = ApiRouter()
router.register("machines", MachineViewSet, basename="machines")

urlpatterns = router.urls
