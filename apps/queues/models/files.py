"""Files that travel with items, and stores of files that automations read and write by name."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from apps.core.actors import Actor
from apps.core.models import InTenant, SameTenant, TenantRow, tenant_key
from apps.queues.models.items import QueueItem
from apps.rbac import services as rbac


class ItemFile(TenantRow):
    """A file that belongs to an item; a retry shows those of the first try."""

    item = InTenant(QueueItem, related_name="files", db_index=False)
    name = models.CharField(max_length=200)
    content_type = models.CharField(max_length=100, blank=True)
    size_bytes = models.BigIntegerField("size")
    sha256 = models.CharField("SHA-256", max_length=64)
    storage_name = models.CharField(max_length=200, editable=False)

    class Meta:
        constraints = [
            tenant_key("itemfile"),
            SameTenant("item", name="itemfile_item_same_tenant"),
            models.UniqueConstraint(fields=["item", "name"], name="itemfile_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class FileStoreQuerySet(models.QuerySet["FileStore"]):
    def alive(self) -> FileStoreQuerySet:
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> FileStoreQuerySet:
        return rbac.visible(self, actor, "queues.view_filestore")


class FileStore(TenantRow):
    """A named place in a folder for files that automations share."""

    folder = InTenant("tenancy.Folder", related_name="+")
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=2000, blank=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = FileStoreQuerySet.as_manager()

    class Meta:
        verbose_name = "file store"
        constraints = [
            tenant_key("filestore"),
            SameTenant("folder", name="filestore_folder_same_tenant"),
            models.UniqueConstraint("folder", Lower("name"), name="filestore_name_free", condition=Q(deleted_at=None)),
        ]

    def __str__(self) -> str:
        return self.name


class StoredFile(TenantRow):
    """One file of a store, under a path of its own; writing the same path again replaces it."""

    store = InTenant(FileStore, related_name="files", db_index=False)
    path = models.CharField(max_length=500)
    content_type = models.CharField(max_length=100, blank=True)
    size_bytes = models.BigIntegerField("size")
    sha256 = models.CharField("SHA-256", max_length=64)
    storage_name = models.CharField(max_length=200, editable=False)
    written_by = models.CharField(max_length=200, editable=False)
    written_at = models.DateTimeField()

    class Meta:
        constraints = [
            tenant_key("storedfile"),
            SameTenant("store", name="storedfile_store_same_tenant"),
            models.UniqueConstraint(fields=["store", "path"], name="storedfile_path_once"),
        ]

    def __str__(self) -> str:
        return self.path
