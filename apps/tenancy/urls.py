"""Addresses of tenants and folders, below ``/api/v1/``."""

from apps.core.api.routes import ApiRouter
from apps.tenancy.views.folders import FolderViewSet
from apps.tenancy.views.tenants import TenantViewSet

router = ApiRouter()
router.register("tenants", TenantViewSet, basename="tenants")
router.register("folders", FolderViewSet, basename="folders")

urlpatterns = router.urls
