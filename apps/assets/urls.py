"""Addresses of assets, below ``/api/v1/``."""

from apps.assets.views import AssetViewSet
from apps.core.api.routes import ApiRouter

router = ApiRouter()
router.register("assets", AssetViewSet, basename="assets")

urlpatterns = router.urls
