"""Addresses of queues, items and leases, below ``/api/v1/``."""

from typing import Any

from apps.core.api.routes import ApiRouter, api_path
from apps.queues.views.bulk import ItemBulkChangeViewSet
from apps.queues.views.files import FileStoreViewSet, ItemFileViewSet, StoredFileViewSet
from apps.queues.views.items import ItemLeaseViewSet, ItemViewSet
from apps.queues.views.queues import QueueViewSet

router = ApiRouter()
router.register("queues", QueueViewSet, basename="queues")
# Before the items, whose addresses would take the word for an id.
router.register("queue-items/bulk-changes", ItemBulkChangeViewSet, basename="queue-items/bulk-changes")
router.register("queue-items", ItemViewSet, basename="queue-items")
router.register("file-stores", FileStoreViewSet, basename="file-stores")

_ONE_FILE: Any = {"get": "retrieve", "put": "update", "delete": "destroy"}

urlpatterns = [
    *router.urls,
    api_path("queue-items/<str:id>/files", ItemFileViewSet.as_view({"get": "list"})),
    api_path("queue-items/<str:id>/files/<str:name>", ItemFileViewSet.as_view(_ONE_FILE)),
    api_path("file-stores/<str:id>/files", StoredFileViewSet.as_view({"get": "list"})),
    api_path("file-stores/<str:id>/files/<path:path>", StoredFileViewSet.as_view(_ONE_FILE)),
    api_path("item-leases/finish", ItemLeaseViewSet.as_view({"post": "finish_many"})),
    api_path("item-leases/<str:id>/renew", ItemLeaseViewSet.as_view({"post": "renew"})),
    api_path("item-leases/<str:id>/finish", ItemLeaseViewSet.as_view({"post": "finish"})),
    api_path("item-leases/<str:id>/release", ItemLeaseViewSet.as_view({"post": "release"})),
]
