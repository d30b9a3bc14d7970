"""Files that travel with items, and stores of files that automations read and write by name."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from apps.core.actors import Actor
from apps.core.models import InTenant, SameTenant, TenantRow, tenant_key
from apps.queues.models.items import QueueItem
from apps.rbac import services as rbac


class KeptFile(TenantRow):
    """A file and what is known of it. It never changes: another content under the same name is another row."""

    #: The column that names it among the files of its owner, and the one that names the owner.
    NAMED_BY: ClassVar[str]
    OWNED_BY: ClassVar[str]

    content_type = models.CharField(max_length=100, blank=True)
    size_bytes = models.BigIntegerField("size")
    sha256 = models.CharField("SHA-256", max_length=64)
    storage_name = models.CharField(max_length=200, editable=False)

    class Meta:
        abstract = True

    @property
    def lies_in(self) -> Any:
        """The item or the store that it belongs to, and with it the folder."""
        return getattr(self, self.OWNED_BY)

    @property
    def called(self) -> str:
        """What it is called among the files of its owner."""
        return str(getattr(self, self.NAMED_BY))

    def __str__(self) -> str:
        return self.called


class ItemFileQuerySet(models.QuerySet["ItemFile"]):
    def visible_to(self, actor: Actor) -> ItemFileQuerySet:
        """Whoever may see an item may see its files."""
        return self.filter(item__in=QueueItem.objects.visible_to(actor))

    def of(self, item: QueueItem) -> ItemFileQuerySet:
        """Return the files of an item: all tries at a piece of work have the same ones."""
        return self.filter(item_id=item.lineage)


class ItemFile(KeptFile):
    """A file of an item. It belongs to the first of its tries, and a retry shows those of the first."""

    NAMED_BY, OWNED_BY = "name", "item"

    item = InTenant(QueueItem, related_name="files", db_index=False)
    name = models.CharField(max_length=200)

    objects = ItemFileQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("itemfile"),
            SameTenant("item", name="itemfile_item_same_tenant"),
            models.UniqueConstraint(fields=["item", "name"], name="itemfile_name_once"),
        ]


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


class StoredFileQuerySet(models.QuerySet["StoredFile"]):
    def visible_to(self, actor: Actor) -> StoredFileQuerySet:
        """Whoever may see a store may see its files."""
        return self.filter(store__in=FileStore.objects.visible_to(actor))


class StoredFile(KeptFile):
    """One file of a store, under a path of its own; writing the same path again replaces it."""

    NAMED_BY, OWNED_BY = "path", "store"

    store = InTenant(FileStore, related_name="files", db_index=False)
    path = models.CharField(max_length=500)
    written_by = models.CharField(max_length=200, editable=False)
    written_at = models.DateTimeField()

    objects = StoredFileQuerySet.as_manager()

    @property
    def base_name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    class Meta:
        constraints = [
            tenant_key("storedfile"),
            SameTenant("store", name="storedfile_store_same_tenant"),
            models.UniqueConstraint(fields=["store", "path"], name="storedfile_path_once"),
        ]
