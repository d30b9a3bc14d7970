"""Packages and their versions, as callers send and see them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api.rows import RowField, RowRef, address_of
from apps.core.api.serializers import InputSerializer, OutputSerializer
from apps.packages.models import Entrypoint, Package, PackageVersion
from apps.tenancy.models import Folder

#: The longest a name or a version may be that is worth looking at.
LONGEST_TEXT = 200
SUFFIX = ".bvpackage"


class VersionRef(serializers.Serializer):
    """A version of a package, as far as one needs to know it."""

    id = serializers.UUIDField()
    version = serializers.CharField()


class PackageOut(OutputSerializer):
    """A named automation in a folder; what runs are its versions."""

    folder = RowRef()
    latest_version = VersionRef(
        source="latest", allow_null=True, help_text="The active version with the highest number."
    )

    class Meta:
        model = Package
        fields = ["id", "tenant", "folder", "name", "description", "kind", "latest_version", "created_at"]


class EntrypointOut(OutputSerializer):
    """What can be started in a version."""

    class Meta:
        model = Entrypoint
        fields = ["name", "command", "is_default", "description"]


class PackageWarning(serializers.Serializer):
    """Something its author should know, although the package was accepted."""

    code = serializers.CharField()
    message = serializers.CharField()
    file = serializers.CharField(allow_blank=True)
    line = serializers.IntegerField(allow_null=True)
    column = serializers.IntegerField(allow_null=True)


class PackageVersionOut(OutputSerializer):
    """One immutable upload of a package."""

    package = RowRef()
    entrypoints = EntrypointOut(many=True)
    default_entrypoint = serializers.SerializerMethodField()
    warnings = PackageWarning(many=True)
    download_url = serializers.SerializerMethodField()

    class Meta:
        model = PackageVersion
        fields = [
            "id", "tenant", "package", "version", "kind", "description", "python_version", "sha256", "size_bytes",
            "file_name", "entrypoints", "default_entrypoint", "warnings", "uploaded_by", "is_active", "created_at",
            "download_url",
        ]  # fmt: skip

    def get_default_entrypoint(self, version: PackageVersion) -> str | None:
        return next((entrypoint.name for entrypoint in version.entrypoints.all() if entrypoint.is_default), None)

    @extend_schema_field({"type": "string", "format": "uri-reference"})
    def get_download_url(self, version: PackageVersion) -> str:
        return address_of("package-versions", version.pk, "download")


class SignatureOut(serializers.Serializer):
    """What an entrypoint takes and returns, learnt from its source without running it."""

    parameters = serializers.ListField(
        source="signature", child=serializers.DictField(), help_text="One after the other, as they are written."
    )
    input_schema = serializers.DictField(help_text="JSON Schema (2020-12) that the parameters of a job must fit.")
    output_schema = serializers.DictField(allow_null=True, help_text="JSON Schema of the result, where annotated.")


class UploadPackage(InputSerializer):
    file = serializers.FileField(max_length=LONGEST_TEXT, help_text="The `.bvpackage` file.")
    name = serializers.CharField(
        required=False, max_length=LONGEST_TEXT, default="", help_text="If given, the file must say the same."
    )
    version = serializers.CharField(
        required=False, max_length=LONGEST_TEXT, default="", help_text="If given, the file must say the same."
    )
    folder = RowField(Folder.objects.alive(), required=False, help_text="Where the package is made, if it is new.")

    def validate_file(self, file: Any) -> Any:
        if not file.name.lower().endswith(SUFFIX):
            raise serializers.ValidationError(f"Only {SUFFIX} files are taken.", code="wrong_suffix")
        return file


class PreflightPackage(InputSerializer):
    name = serializers.CharField(max_length=LONGEST_TEXT, allow_blank=True)
    version = serializers.CharField(max_length=LONGEST_TEXT, allow_blank=True)
    folder = RowField(Folder.objects.alive(), required=False, help_text="Where it would be published.")


class PreflightOut(serializers.Serializer):
    """Whether a name and version could be published now."""

    can_publish = serializers.BooleanField()
    reason = serializers.CharField(allow_null=True, help_text="Why not.")
