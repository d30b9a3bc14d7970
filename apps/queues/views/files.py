"""Files of items, file stores, and the files in them."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Final

from django.conf import settings
from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.files import SHA256_HEADER, condition_of, handed_out, read_field, received
from apps.core.api.identifiers import parse_id
from apps.core.api.rows import RowViewSet
from apps.core.api.views import ApiViewSet
from apps.core.errors import NotFound
from apps.core.files import facts
from apps.queues import services
from apps.queues.filters import FileStoreFilters, StoredFileFilters
from apps.queues.models import FileStore, ItemFile, QueueItem, StoredFile
from apps.queues.models.files import KeptFile
from apps.queues.serializers.files import CreateFileStore, FileStoreOut, ItemFileOut, StoredFileOut, UpdateFileStore
from apps.tenancy.views.places import FOLDER_PARAMETERS, folder_for

_FILE: Final = OpenApiResponse(
    OpenApiTypes.BINARY,
    description="The file, always as an attachment; only harmless kinds keep their `Content-Type`. "
    "`ETag` and `X-Content-SHA256` hold its SHA-256.",
)
_IS_STILL: Final = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="Only where the file still has this SHA-256; `*`: any."
)
_CONDITIONS: Final = [
    _IS_STILL,
    OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER, description="`*`: only where there is none yet."),
]
_TOLD: Final = OpenApiParameter(
    SHA256_HEADER, str, OpenApiParameter.HEADER, description="What the file must have once it has arrived."
)


class FilesViewSet(ApiViewSet):
    """What the files of items and those of stores have in common."""

    http_method_names = ["get", "head", "put", "delete", "options"]
    #: Writes heed ``If-Match`` and ``If-None-Match``.
    takes_conditions = True
    #: The items or stores that there are.
    owners: Any = None
    #: How a name in the address is read, and what the address calls it.
    read_name: ClassVar[Any]
    named: ClassVar[str]

    def files(self, owner: Any) -> QuerySet[Any]:
        """Return all files of an owner."""
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[Any]:
        """Return the files of the owner that the address names."""
        is_described = getattr(self, "swagger_fake_view", False)
        return self.queryset.none() if is_described else self.files(self.owner())

    def listed(self) -> Response:
        """Answer with a page of the files."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def owner(self) -> Any:
        """Return the item or store that the address names. Raises ``NotFound``."""
        visible = self.owners.all().visible_to(self.actor)
        owner = visible.filter(pk=parse_id(self.kwargs["id"])).first()
        if owner is None:
            raise NotFound(f"There is no such {visible.model._meta.verbose_name}.")
        return owner

    def named_file(self, owner: Any) -> Any:
        """Return the file that the address names. Raises ``NotFound``."""
        file: KeptFile | None = self.files(owner).filter(**{self.named: self._name()}).first()
        if file is None:
            raise NotFound("There is no such file here.", code="unknown_file")
        return file

    def write(self, request: Request, service: Any, shelf_limit: int) -> Response:
        """Have a service keep the body of the request under the name in the address."""
        owner, condition = self.owner(), condition_of(request)
        with received(request._request, services.FILES, name=self._name(), limit=shelf_limit) as upload:
            written = service(owner, actor=self.actor, upload=upload, condition=condition)
        return self.answer(written.file, status=201 if written.is_new else 200)

    def _name(self) -> str:
        name: str = read_field(type(self).read_name, self.kwargs[self.named], self.named)
        return name


class ItemFileViewSet(FilesViewSet):
    """Files of items: all tries at the same work have the same ones."""

    queryset = ItemFile.objects.all()
    owners = QueueItem.objects.alive().select_related("folder", "queue")
    serializer_class = ItemFileOut
    read_name = staticmethod(facts.read_name)
    named = "name"
    orderings = ("name",)

    def files(self, owner: Any) -> QuerySet[Any]:
        """Return all files of an item."""
        return ItemFile.objects.of(owner)

    @extend_schema(responses=ItemFileOut(many=True), filters=True)
    def list(self, request: Request, id: Any) -> Response:
        """List the files of an item, the last written first."""
        return self.listed()

    @extend_schema(
        responses={(200, facts.UNKNOWN): _FILE, 304: OpenApiResponse(description="You have it already.")},
        parameters=[OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER)],
    )
    def retrieve(self, request: Request, id: Any, name: str) -> HttpResponseBase:
        """Download a file of an item. Each download stands in the audit trail."""
        item = self.owner()
        file = self.named_file(item)
        noted = partial(_noted, services.note_item_download, item, self.actor)
        return handed_out(request, file, name=file.name, opened=services.FILES.open, noted=noted)

    @extend_schema(
        request={facts.UNKNOWN: OpenApiTypes.BINARY},
        responses={200: ItemFileOut, 201: ItemFileOut},
        parameters=[*_CONDITIONS, _TOLD],
    )
    def update(self, request: Request, id: Any, name: str) -> Response:
        """Give an item a file, in place of one of the same name. The body is the file as it is.

        The same again changes nothing. `Content-Type` is kept with it.
        """
        return self.write(request, services.write_item_file, settings.ITEM_FILE_LIMIT_BYTES)

    @extend_schema(responses={204: None}, parameters=[_IS_STILL])
    def destroy(self, request: Request, id: Any, name: str) -> Response:
        """Take a file of an item away for good. It stands in the audit trail."""
        services.delete_item_file(self.owner(), actor=self.actor, name=self._name(), condition=condition_of(request))
        return Response(status=204)


class FileStoreViewSet(RowViewSet):
    """File stores: named places for files that automations share."""

    http_method_names = ["get", "head", "post", "patch", "delete", "options"]
    queryset = FileStore.objects.alive().select_related("folder")
    serializer_class = FileStoreOut
    filterset_class = FileStoreFilters
    orderings = ("name", "created_at")
    input_serializers: ClassVar[Any] = {"create": CreateFileStore, "partial_update": UpdateFileStore}

    @extend_schema(parameters=[*FOLDER_PARAMETERS])
    def create(self, request: Request) -> Response:
        """Make an empty store in a folder."""
        asked = self.asked()
        folder = folder_for(request, self.actor, asked.pop("folder", None))
        return self.created(services.create_store(folder, actor=self.actor, **asked))

    def partial_update(self, request: Request, id: Any) -> Response:
        """Rename or describe a store."""
        return self.operate(services.update_store)

    def destroy(self, request: Request, id: Any) -> Response:
        """Take a store out of every list, and its files away for good."""
        return self.remove(services.delete_store)


class StoredFileViewSet(FilesViewSet):
    """Files of stores, each under a path of its own, such as `2026/march.csv`."""

    queryset = StoredFile.objects.all()
    owners = FileStore.objects.alive().select_related("folder")
    serializer_class = StoredFileOut
    read_name = staticmethod(facts.read_path)
    named = "path"
    orderings = ("path", "size_bytes")

    @property
    def filterset_class(self) -> Any:
        """What narrows the list, and nothing else."""
        return StoredFileFilters if self.action == "list" else None

    def files(self, owner: Any) -> QuerySet[Any]:
        """Return all files of a store."""
        return StoredFile.objects.filter(store=owner)

    @extend_schema(responses=StoredFileOut(many=True), filters=True)
    def list(self, request: Request, id: Any) -> Response:
        """List the files of a store, the last written first; `prefix` narrows it to paths that begin so."""
        return self.listed()

    @extend_schema(
        responses={(200, facts.UNKNOWN): _FILE, 304: OpenApiResponse(description="You have it already.")},
        parameters=[OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER)],
    )
    def retrieve(self, request: Request, id: Any, path: str) -> HttpResponseBase:
        """Download a file of a store. Each download by a person or program stands in the audit trail."""
        store = self.owner()
        file = self.named_file(store)
        noted = partial(_noted, services.note_stored_download, store, self.actor)
        return handed_out(request, file, name=file.base_name, opened=services.FILES.open, noted=noted)

    @extend_schema(
        request={facts.UNKNOWN: OpenApiTypes.BINARY},
        responses={200: StoredFileOut, 201: StoredFileOut},
        parameters=[*_CONDITIONS, _TOLD],
    )
    def update(self, request: Request, id: Any, path: str) -> Response:
        """Put a file into a store, in place of what lies under the same path. The body is the file as it is.

        The same again changes nothing. `Content-Type` is kept with it.
        """
        return self.write(request, services.write_stored_file, settings.STORED_FILE_LIMIT_BYTES)

    @extend_schema(responses={204: None}, parameters=[_IS_STILL])
    def destroy(self, request: Request, id: Any, path: str) -> Response:
        """Take a file out of a store for good. It stands in the audit trail."""
        services.delete_stored_file(self.owner(), actor=self.actor, path=self._name(), condition=condition_of(request))
        return Response(status=204)


def _noted(note: Any, owner: Any, actor: Any, file: KeptFile) -> None:
    note(owner, actor=actor, file=file)
