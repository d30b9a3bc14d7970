"""Addresses of assets, below ``/api/v1/``."""

from apps.assets.views import AssetViewSet, CredentialStoreViewSet, CredentialViewSet
from apps.core.api.routes import ApiRouter

router = ApiRouter()
router.register("assets", AssetViewSet, basename="assets")
router.register("credentials", CredentialViewSet, basename="credentials")
router.register("credential-stores", CredentialStoreViewSet, basename="credential-stores")

urlpatterns = router.urls
