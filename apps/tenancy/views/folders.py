"""Folders."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api.rows import Restore, RowViewSet
from apps.tenancy import services
from apps.tenancy.filters import FolderFilters
from apps.tenancy.models import Folder
from apps.tenancy.serializers import CreateFolder, FolderOut, RenameFolder
from apps.tenancy.views.places import TENANT_PARAMETER, tenant_for


class FolderViewSet(RowViewSet):
    """Folders: the places inside a tenant where work lives."""

    http_method_names = ["get", "head", "post", "patch", "delete", "options"]
    queryset = Folder.objects.alive()
    serializer_class = FolderOut
    filterset_class = FolderFilters
    orderings = ("name", "path", "created_at")
    input_serializers = {"restore": Restore, "create": CreateFolder, "partial_update": RenameFolder}

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Read the names of all folders above those to be shown with one query."""
        shown = args[0] if args else []
        folders = list(shown) if kwargs.get("many") else [shown] if isinstance(shown, Folder) else []
        given = kwargs.pop("context", None) or self.get_serializer_context()
        context = {**given, "folder_names": self._names_above(folders)}
        return FolderOut(*args, context=context, **kwargs)

    @extend_schema(parameters=[TENANT_PARAMETER])
    def create(self, request: Request) -> Response:
        """Make a folder inside another one, or at the top of a tenant."""
        asked = self.asked()
        parent = asked.get("parent") or tenant_for(request, self.actor)
        return self.created(services.create_folder(parent, actor=self.actor, name=asked["name"]))

    def partial_update(self, request: Request, id: Any) -> Response:
        """Give a folder another name."""
        return self.operate(services.rename_folder)

    def destroy(self, request: Request, id: Any) -> Response:
        """Take an empty folder away. What still lives in it must be deleted first."""
        return self.remove(services.delete_folder)

    @action(detail=True, methods=["post"])
    def restore(self, request: Request, id: Any) -> Response:
        """Take a folder back out of the bin. What was deleted in it before is restored one by one.

        Refused with `name_taken`, and a `suggestion`, where the name was given away meanwhile: send another `name`.
        """
        return self.take_back(services.restore_folder)

    def _names_above(self, folders: Iterable[Folder]) -> dict[UUID, str]:
        above = {identity for folder in folders for identity in folder.ancestor_ids}
        if not above:
            return {}
        return dict(Folder.objects.visible_to(self.actor).filter(pk__in=above).values_list("pk", "name"))
