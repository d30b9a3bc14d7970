"""Addresses of machines and enrolment keys, below ``/api/v1/``."""

from apps.core.api.routes import ApiRouter
from apps.robots.views import EnrolmentKeyViewSet, MachineViewSet

router = ApiRouter()
router.register("machines", MachineViewSet, basename="machines")
router.register("enrolment-keys", EnrolmentKeyViewSet, basename="enrolment-keys")

urlpatterns = router.urls
