"""Addresses of assets, below ``/api/v1/``."""

from apps.assets.views import AssetViewSet, CredentialViewSet
from apps.core.api.routes import ApiRouter

router = ApiRouter()
router.register("assets", AssetViewSet, basename="assets")
router.register("credentials", CredentialViewSet, basename="credentials")

urlpatterns = router.urls
