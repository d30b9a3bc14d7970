"""Uploaded automation bundles, their versions and what can be started in them."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Func, OuterRef, Q, Subquery
from django.db.models.functions import JSONObject, Lower

from apps.core import statements
from apps.core.actors import Actor
from apps.core.bin import Binnable, in_bin
from apps.core.errors import NotFound
from apps.core.models import InTenant, SameTenant, TenantRow, tenant_key
from apps.packages.rules.manifests import identity
from apps.rbac import services as rbac
from apps.tenancy.models import Folder


class AutomationKind(models.TextChoices):
    RPA = "rpa", "RPA"
    AGENT = "agent", "Agent"


class PackageQuerySet(models.QuerySet["Package"]):
    def alive(self) -> PackageQuerySet:
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> PackageQuerySet:
        return rbac.visible(self, actor, "packages.view_package")

    def with_latest(self) -> PackageQuerySet:
        """Add ``latest``: id, number and rank of the newest active version, or ``None``."""
        return self.annotate(latest=newest_version_of(OuterRef("pk")))


class Package(Binnable, TenantRow):
    """A named automation in a folder; what runs are its versions."""

    folder = InTenant("tenancy.Folder", related_name="+")
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=2000, blank=True)
    kind = models.CharField(max_length=8, choices=AutomationKind, default=AutomationKind.RPA)

    objects = PackageQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("package"),
            SameTenant("folder", name="package_folder_same_tenant"),
            models.UniqueConstraint("folder", Lower("name"), name="package_name_free", condition=Q(deleted_at=None)),
        ]
        indexes = [in_bin("package")]

    def __str__(self) -> str:
        return self.name

    def newest_version(self) -> PackageVersion | None:
        """Return the active version with the highest number."""
        return _newest_active.first(package=self.pk)


class PackageVersionQuerySet(models.QuerySet["PackageVersion"]):
    def alive(self) -> PackageVersionQuerySet:
        return self.filter(deleted_at=None)

    def newest_first(self) -> PackageVersionQuerySet:
        """Order by version number, highest first."""
        return self.order_by("-major", "-minor", "-patch", "-id")

    def visible_to(self, actor: Actor) -> PackageVersionQuerySet:
        return rbac.visible(self, actor, "packages.view_package")


class PackageVersion(TenantRow):
    """One immutable upload of a package."""

    folder = InTenant("tenancy.Folder", related_name="+")
    package = InTenant(Package, related_name="versions")
    version = models.CharField(max_length=50)
    major = models.BigIntegerField(editable=False)
    minor = models.BigIntegerField(editable=False)
    patch = models.BigIntegerField(editable=False)
    kind = models.CharField(max_length=8, choices=AutomationKind, default=AutomationKind.RPA)
    description = models.CharField(max_length=2000, blank=True)
    python_version = models.CharField(max_length=50, blank=True)
    sha256 = models.CharField("SHA-256", max_length=64)
    size_bytes = models.BigIntegerField("size")
    storage_name = models.CharField(max_length=200, editable=False)
    manifest = models.JSONField(default=dict, editable=False)
    warnings = models.JSONField(default=list, editable=False)
    uploaded_by = models.CharField(max_length=200, editable=False)
    is_active = models.BooleanField("active", default=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = PackageVersionQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("packageversion"),
            SameTenant("folder", name="packageversion_folder_same_tenant"),
            SameTenant("package", name="packageversion_package_same_tenant"),
            models.UniqueConstraint(fields=["package", "version"], name="packageversion_once"),
            models.UniqueConstraint(
                fields=["folder", "sha256"], name="packageversion_content_once", condition=Q(deleted_at=None)
            ),
        ]
        indexes = [models.Index(fields=["package", "-major", "-minor", "-patch"], name="packageversion_newest")]
        permissions = [
            ("upload_package", "Can upload a package"),
            ("download_packageversion", "Can download a package"),
        ]

    def __str__(self) -> str:
        return f"{self.package.name} {self.version}"

    @classmethod
    def reason_against(cls, folder: Folder, name: str, version: str) -> str:
        """Return why ``name`` and ``version`` cannot be published in a folder, or nothing."""
        if problem := identity.name_problem(name) or identity.version_problem(version):
            return problem
        known = cls.objects.filter(folder=folder, package__name__iexact=name, package__deleted_at=None, version=version)
        taken = known.first()
        if taken is not None and taken.deleted_at is not None:
            return f"Package {name}@{version} was deleted. The number of a version is never used again: choose another."
        return f"Package {name}@{version} already exists" if taken is not None else ""

    def entrypoint_named(self, name: str) -> Entrypoint:
        """Return one of its entrypoints. Raises ``NotFound`` that names those there are."""
        entrypoints = {entrypoint.name: entrypoint for entrypoint in self.entrypoints.all()}
        if name not in entrypoints:
            raise NotFound(f"{self} has no such entrypoint. It has: {', '.join(entrypoints) or 'none'}.")
        return entrypoints[name]

    @property
    def file_name(self) -> str:
        """What the file is called when downloaded."""
        return f"{self.package.name}_{self.version}.bvpackage"


def newest_version_of(package: OuterRef | Any) -> Subquery:
    """Return, as a column, ``{id, version, rank}`` of a package's newest active version. Ranks compare as versions."""
    rank = Func(F("major"), F("minor"), F("patch"), function="jsonb_build_array", output_field=models.JSONField())
    versions = PackageVersion.objects.filter(package=package, is_active=True, deleted_at=None).newest_first()
    return Subquery(versions.values(facts=JSONObject(id="id", version="version", rank=rank))[:1])


class Entrypoint(TenantRow):
    """What can be started in a version: its command, and the schemas of what goes in and comes out."""

    version = InTenant(PackageVersion, related_name="entrypoints")
    name = models.CharField(max_length=100)
    command = models.CharField(max_length=300)
    is_default = models.BooleanField(default=False)
    description = models.TextField(blank=True)
    input_schema = models.JSONField(default=dict)
    output_schema = models.JSONField(null=True)
    signature: Any = models.JSONField(default=list)

    class Meta:
        constraints = [
            tenant_key("entrypoint"),
            SameTenant("version", name="entrypoint_version_same_tenant"),
            models.UniqueConstraint(fields=["version", "name"], name="entrypoint_once"),
            models.UniqueConstraint(fields=["version"], name="entrypoint_one_default", condition=Q(is_default=True)),
        ]
        ordering = ["-is_default", "name"]

    def __str__(self) -> str:
        return self.name


_newest_active = statements.Worded(
    lambda: PackageVersion.objects.filter(
        package_id=statements.Slot("package", models.UUIDField()), is_active=True, deleted_at=None
    ).newest_first()
)
