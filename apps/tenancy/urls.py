"""Addresses of tenants, folders and brakes, below ``/api/v1/``."""

from apps.core.api.routes import ApiRouter
from apps.tenancy.views.brakes import BrakeViewSet
from apps.tenancy.views.folders import FolderViewSet
from apps.tenancy.views.tenants import TenantViewSet

router = ApiRouter()
router.register("tenants", TenantViewSet, basename="tenants")
router.register("folders", FolderViewSet, basename="folders")
router.register("brakes", BrakeViewSet, basename="brakes")

urlpatterns = router.urls
