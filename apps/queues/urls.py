"""Addresses of queues, items and leases, below ``/api/v1/``."""

from apps.core.api.routes import ApiRouter, api_path
from apps.queues.views.items import ItemLeaseViewSet, ItemViewSet
from apps.queues.views.queues import QueueViewSet

router = ApiRouter()
router.register("queues", QueueViewSet, basename="queues")
router.register("queue-items", ItemViewSet, basename="queue-items")

urlpatterns = [
    *router.urls,
    api_path("item-leases/<str:id>/renew", ItemLeaseViewSet.as_view({"post": "renew"})),
    api_path("item-leases/<str:id>/finish", ItemLeaseViewSet.as_view({"post": "finish"})),
    api_path("item-leases/<str:id>/release", ItemLeaseViewSet.as_view({"post": "release"})),
]
