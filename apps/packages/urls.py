"""Addresses of packages, below ``/api/v1/``."""

from apps.core.api.routes import ApiRouter, api_path
from apps.packages.views.packages import PackageViewSet
from apps.packages.views.uploads import Preflight, Upload
from apps.packages.views.versions import PackageVersionViewSet

router = ApiRouter()
router.register("packages", PackageViewSet, basename="packages")
router.register("package-versions", PackageVersionViewSet, basename="package-versions")

urlpatterns = [
    # Before the router's, which would take these words for ids.
    api_path("packages/upload", Upload.as_view(), name="package-upload"),
    api_path("packages/preflight", Preflight.as_view(), name="package-preflight"),
    *router.urls,
]
