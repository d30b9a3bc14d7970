"""Taking package files, and saying beforehand whether they would be taken."""

from __future__ import annotations

import tempfile
from typing import Any, Final

from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpRequest
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import bodies
from apps.core.api.parsers import StrictMultiPartParser
from apps.core.api.rows import address_of
from apps.core.api.views import ApiView
from apps.core.edge.limits import spend
from apps.core.errors import Invalid
from apps.packages import services
from apps.packages.models import PackageVersion
from apps.packages.rules import limits, validation
from apps.packages.serializers import PackageVersionOut, PreflightOut, PreflightPackage, UploadPackage
from apps.packages.views.versions import VERSIONS
from apps.rbac import services as rbac
from apps.tenancy.views.places import FOLDER_PARAMETERS, folder_for

#: Bytes of a multipart body beside the file itself.
ENVELOPE: Final = 64 * limits.KIB


class PackageUpload(TemporaryUploadedFile):
    """An upload on the disk on which packages are stored, so that publishing it is a rename."""

    def __init__(self, *facts: Any) -> None:
        folder = services.upload_folder()
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = tempfile.NamedTemporaryFile(suffix=".upload", dir=folder)  # noqa: SIM115 - closed with the request
        UploadedFile.__init__(self, file, *facts)


class PackageUploadHandler(TemporaryFileUploadHandler):
    """Streams each file of a form to disk."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin a file."""
        super(TemporaryFileUploadHandler, self).new_file(*args, **kwargs)
        facts = (self.file_name, self.content_type, 0, self.charset, self.content_type_extra)
        self.file: TemporaryUploadedFile = PackageUpload(*facts)


class Upload(ApiView):
    """Publishing packages."""

    parser_classes = [StrictMultiPartParser]
    body_limit = limits.DEFAULT.packed_bytes + ENVELOPE

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Look at the length first: checking a form's CSRF token would already read all of it."""
        bodies.check_length(bodies.content_length(request.META), self.body_limit)
        request.upload_handlers = [PackageUploadHandler(request)]
        return super().initialize_request(request, *args, **kwargs)

    @extend_schema(
        operation_id="packages_upload",
        request={"multipart/form-data": UploadPackage},
        responses={201: PackageVersionOut},
        parameters=[*FOLDER_PARAMETERS],
    )
    def post(self, request: Request) -> Response:
        """Publish a `.bvpackage` file as a new version of the package it names, which is made if need be.

        The whole file is checked without unpacking it. A refusal lists every problem, each with the file and line it
        is in: in `errors` as text, in `problems_found` as `{code, message, file, line, column}`. A version never
        changes: the same name and version, or the same content again, is a conflict.
        """
        asked = self.read(UploadPackage)
        if len(request.FILES.getlist("file")) != 1:
            raise Invalid.field("file", "Send one file.", code="repeated_part")
        folder = folder_for(request, self.actor, asked.get("folder"))
        rbac.require(self.actor, "packages.upload_package", folder)
        spend("upload", self.actor)
        version = services.publish_version(
            folder,
            actor=self.actor,
            report=validation.validate(asked["file"].file),
            file=asked["file"],
            name=asked["name"],
            version=asked["version"],
        )
        body = PackageVersionOut(VERSIONS.get(pk=version.pk)).data
        return Response(body, status=201, headers={"Location": address_of("package-versions", version.pk)})


class Preflight(ApiView):
    """Asking before one uploads."""

    @extend_schema(
        operation_id="packages_preflight",
        request=PreflightPackage,
        responses=PreflightOut,
        parameters=[*FOLDER_PARAMETERS],
    )
    def post(self, request: Request) -> Response:
        """Say whether a name and version could be published now, and if not, why. Nothing is changed."""
        asked = self.read(PreflightPackage)
        folder = folder_for(request, self.actor, asked.get("folder"))
        rbac.require(self.actor, "packages.upload_package", folder)
        reason = PackageVersion.reason_against(folder, asked["name"], asked["version"])
        return Response({"can_publish": not reason, "reason": reason or None})
