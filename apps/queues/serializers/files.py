"""Files of items, file stores, and the files in them."""

from __future__ import annotations

from urllib.parse import quote

from rest_framework import serializers

from apps.core.api.rows import ChangeSerializer, RowField, RowRef, address_of
from apps.core.api.serializers import InputSerializer, NameField, OutputSerializer
from apps.queues.models import FileStore, ItemFile, StoredFile
from apps.tenancy.models import Folder

_FILE = ["content_type", "size_bytes", "sha256"]
_ADDRESS = "Relative to the server's root."


class ItemFileOut(OutputSerializer):
    """A file of an item; `item` is the first of the tries that have it."""

    download_url = serializers.SerializerMethodField(help_text=_ADDRESS)

    class Meta:
        model = ItemFile
        fields = ["id", "tenant", "item", "name", *_FILE, "created_at", "download_url"]

    def get_download_url(self, file: ItemFile) -> str:
        return address_of("queue-items", file.item_id, "files", quote(file.name, safe=""))


class FileStoreOut(OutputSerializer):
    """A named place in a folder for files that automations share."""

    folder = RowRef()

    class Meta:
        model = FileStore
        fields = ["id", "tenant", "folder", "name", "description", "created_at"]


class StoredFileOut(OutputSerializer):
    """A file of a store."""

    download_url = serializers.SerializerMethodField(help_text=_ADDRESS)

    class Meta:
        model = StoredFile
        fields = ["id", "tenant", "store", "path", *_FILE, "written_by", "written_at", "download_url"]

    def get_download_url(self, file: StoredFile) -> str:
        return address_of("file-stores", file.store_id, "files", quote(file.path))


class CreateFileStore(InputSerializer):
    name = NameField(max_length=100)
    folder = RowField(Folder.objects.alive(), required=False, help_text="Where it lives.")
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)


class UpdateFileStore(ChangeSerializer, CreateFileStore):
    folder = None  # type: ignore[assignment]
