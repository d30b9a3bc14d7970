"""What can be run: a package's entrypoint bound to how it shall run."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import OuterRef, Q
from django.db.models.functions import Lower

from apps.core import statements
from apps.core.actors import Actor
from apps.core.bin import Binnable, in_bin
from apps.core.errors import Conflict
from apps.core.models import InTenant, SameTenant, TenantRow, tenant_key
from apps.packages.models import AutomationKind, Entrypoint, PackageVersion, newest_version_of
from apps.rbac import services as rbac


class VersionPolicy(models.TextChoices):
    NEWEST = "newest", "newest active"
    PINNED = "pinned"


class Executor(models.TextChoices):
    ROBOT = "robot"
    ENGINE = "engine"  # reserved for workflows
    SSH = "ssh"  # reserved for scripts


class OnLost(models.TextChoices):
    RETRY = "retry", "try again"
    HOLD = "hold", "wait for a person"
    FAIL = "fail", "fail"


class ProcessQuerySet(models.QuerySet["Process"]):
    def alive(self) -> ProcessQuerySet:
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> ProcessQuerySet:
        return rbac.visible(self, actor, "processes.view_process")

    def with_latest(self) -> ProcessQuerySet:
        """Add ``latest``: id, number and rank of the package's newest active version, or ``None``."""
        return self.annotate(latest=newest_version_of(OuterRef("package_id")))


class NothingToRun(Conflict):
    """The process has no version that could run: none is active, or its entrypoint is gone."""

    code = "nothing_to_run"


class Process(Binnable, TenantRow):
    """A runnable catalogue entry: what runs, with which defaults, on which robots, how often at once."""

    folder = InTenant("tenancy.Folder", related_name="+")
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=2000, blank=True)
    kind = models.CharField(max_length=8, choices=AutomationKind, default=AutomationKind.RPA, editable=False)
    executor = models.CharField(max_length=8, choices=Executor, default=Executor.ROBOT, editable=False)

    package = InTenant("packages.Package", null=True, blank=True, related_name="processes")
    entrypoint_name = models.CharField("entrypoint", max_length=100, blank=True, help_text="Empty: the default one.")
    version_policy = models.CharField(max_length=8, choices=VersionPolicy, default=VersionPolicy.NEWEST)
    pinned_version = InTenant("packages.PackageVersion", null=True, blank=True, related_name="+")
    script_path = models.CharField(
        max_length=500, blank=True, help_text="A script inside a directory that the robot's own configuration allows."
    )

    parameters = models.JSONField("default parameters", default=dict, blank=True)
    priority = models.SmallIntegerField(
        default=0,
        validators=[MinValueValidator(-1000), MaxValueValidator(1000)],
        help_text="Higher runs sooner.",
    )
    timeout = models.PositiveIntegerField(null=True, blank=True, help_text="Seconds a try may take. Empty: no limit.")
    start_by = models.PositiveIntegerField(
        null=True, blank=True, help_text="Seconds within which a job must start, or it fails as expired."
    )
    max_attempts = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(100)], help_text="All tries, the first included."
    )
    backoff_base = models.PositiveIntegerField(
        default=10, help_text="Seconds before the second try; doubles each time."
    )
    backoff_cap = models.PositiveIntegerField(default=3600, help_text="Seconds a wait never exceeds.")
    backoff_jitter = models.BooleanField(
        default=True, help_text="Spread waits at random, so that retries do not bunch."
    )
    on_lost = models.CharField(
        max_length=8,
        choices=OnLost,
        default=OnLost.RETRY,
        help_text="When a robot vanishes in the middle: what it did outside is unknown.",
    )
    lease_ttl = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(30), MaxValueValidator(600)],
        help_text="Seconds without contact after which a robot counts as lost. Empty: as the installation says.",
    )
    kill_grace = models.PositiveIntegerField(
        null=True, blank=True, validators=[MaxValueValidator(600)], help_text="Seconds between asking and killing."
    )
    required_labels = ArrayField(models.CharField(max_length=63), default=list, blank=True)
    target_machine = InTenant("robots.Machine", null=True, blank=True, related_name="+")
    target_robot = InTenant("robots.Robot", null=True, blank=True, related_name="+")
    concurrency_limit = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Jobs at once, of all robots together."
    )
    limit_parameter = models.CharField(
        max_length=100, blank=True, help_text="A parameter whose every value has a limit of its own, such as customer."
    )
    limit_per_value = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    robot_version_floor = models.CharField(
        "oldest robot version",
        max_length=20,
        blank=True,
        validators=[RegexValidator(r"^\d{1,6}(\.\d{1,6}){0,2}$", "Use numbers such as 1.4.0.")],
        help_text="Robots with an older program get none of its jobs. Empty: any version.",
    )
    memory_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(16)],
        help_text="MiB that a job's processes may use together; beyond that the job fails. Empty: as its robot says.",
    )
    cpu_limit = models.FloatField(
        "processor limit",
        null=True,
        blank=True,
        validators=[MinValueValidator(0.05), MaxValueValidator(1024)],
        help_text="Processor cores that a job may use, such as 0.5. Empty: as its robot says.",
    )
    niceness = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(19)],
        help_text="How far a job steps back behind other programs: 0 not at all, 19 as far as it can.",
    )
    retention_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text="Days for which its jobs are kept after their end. Empty: as its tenant or the installation says.",
    )
    may_start = models.ManyToManyField(
        "self",
        through="ProcessChild",
        symmetrical=False,
        related_name="started_by",
        blank=True,
        help_text="Processes of which its jobs may start jobs themselves.",
    )
    may_use = models.ManyToManyField(
        "assets.Asset",
        through="ProcessAsset",
        related_name="used_by",
        blank=True,
        help_text="Assets with secrets that its jobs are given, where those are for listed processes only.",
    )
    enabled = models.BooleanField(default=True)
    revision = models.PositiveIntegerField(default=1, editable=False)

    objects = ProcessQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("process"),
            SameTenant("folder", name="process_folder_same_tenant"),
            SameTenant("package", name="process_package_same_tenant"),
            SameTenant("pinned_version", name="process_pinned_same_tenant"),
            SameTenant("target_machine", name="process_machine_same_tenant"),
            SameTenant("target_robot", name="process_robot_same_tenant"),
            models.UniqueConstraint("folder", Lower("name"), name="process_name_free", condition=Q(deleted_at=None)),
            models.CheckConstraint(
                name="process_one_source",
                condition=(Q(package__isnull=False) & Q(script_path="")) | (Q(package=None) & ~Q(script_path="")),
            ),
            models.CheckConstraint(
                name="process_pinned_names_version",
                condition=(Q(version_policy="pinned") & Q(pinned_version__isnull=False) & Q(package__isnull=False))
                | (Q(version_policy="newest") & Q(pinned_version=None)),
            ),
            models.CheckConstraint(
                name="process_limit_per_value_names_parameter",
                condition=(Q(limit_parameter="") & Q(limit_per_value=None))
                | (~Q(limit_parameter="") & Q(limit_per_value__isnull=False)),
            ),
            models.CheckConstraint(name="process_max_attempts_positive", condition=Q(max_attempts__gte=1)),
        ]
        indexes = [in_bin("process")]
        permissions = [("run_process", "Can run a process")]
        verbose_name_plural = "processes"

    def __str__(self) -> str:
        return self.name

    @property
    def runs_version(self) -> Any:
        """What a job made now would run, of a row read ``with_latest``; ``None`` where it would be refused."""
        if self.version_policy == VersionPolicy.NEWEST:
            return self.latest  # type: ignore[attr-defined]
        pinned = self.pinned_version
        return pinned if pinned is not None and pinned.is_active and pinned.deleted_at is None else None

    @property
    def upgrade_available(self) -> bool:
        """Whether it is pinned below the newest active version, of a row read ``with_latest``."""
        latest: dict[str, Any] | None = self.latest  # type: ignore[attr-defined]
        pinned = self.pinned_version
        if latest is None or pinned is None:
            return False
        return [pinned.major, pinned.minor, pinned.patch] < list(latest["rank"])

    def version_to_run(self) -> PackageVersion:
        """Return the version a job made now would run. Raises ``NothingToRun``."""
        if self.package is None:
            raise NothingToRun("This process runs a script, not a package.")
        pinned = self.version_policy == VersionPolicy.PINNED
        version = self.pinned_version if pinned else self.package.newest_version()
        if version is None or version.deleted_at is not None or not version.is_active:
            what = f"version {version.version} is not active" if version else "it has no active version"
            raise NothingToRun(f"“{self.package.name}” cannot run: {what}. Upload or activate one.", field="package")
        return version

    def entrypoint_to_run(self, version: PackageVersion) -> Entrypoint:
        """Return the entrypoint of ``version`` that this names, or the default one. Raises ``NothingToRun``."""
        wanted = {"name": self.entrypoint_name} if self.entrypoint_name else {}
        entrypoint = (_named_entrypoint if wanted else _default_entrypoint).first(version=version.pk, **wanted)
        if entrypoint is None:
            names = ", ".join(Entrypoint.objects.filter(version=version).values_list("name", flat=True)) or "none"
            raise NothingToRun(
                f"{version} has no entrypoint “{self.entrypoint_name or 'default'}”. It has: {names}.",
                field="entrypoint_name",
            )
        return entrypoint


class NamedLimitQuerySet(models.QuerySet["NamedLimit"]):
    def alive(self) -> NamedLimitQuerySet:
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> NamedLimitQuerySet:
        return rbac.visible(self, actor, "processes.view_namedlimit")


class NamedLimit(TenantRow):
    """Something that several processes share and that bears only so much at once, such as a licence."""

    folder = InTenant("tenancy.Folder", related_name="+")
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=2000, blank=True)
    capacity = models.PositiveIntegerField(
        default=1, validators=[MinValueValidator(1)], help_text="How many units may be in use at once."
    )
    processes = models.ManyToManyField(Process, through="ProcessLimit", related_name="limits")
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = NamedLimitQuerySet.as_manager()

    class Meta:
        verbose_name = "limit"
        constraints = [
            tenant_key("namedlimit"),
            SameTenant("folder", name="namedlimit_folder_same_tenant"),
            models.UniqueConstraint("folder", Lower("name"), name="namedlimit_name_free", condition=Q(deleted_at=None)),
        ]

    def __str__(self) -> str:
        return self.name


class ProcessLimit(TenantRow):
    """Each running job of a process uses so many units of a limit."""

    process = InTenant(Process, related_name="process_limits")
    limit = InTenant(NamedLimit, related_name="process_limits")
    units = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1)])

    class Meta:
        constraints = [
            SameTenant("process", name="processlimit_process_same_tenant"),
            SameTenant("limit", name="processlimit_limit_same_tenant"),
            models.UniqueConstraint(fields=["process", "limit"], name="processlimit_once"),
        ]

    def __str__(self) -> str:
        return f"{self.process} uses {self.units} of {self.limit}"


class ProcessChild(TenantRow):
    """Jobs of ``parent`` may start jobs of ``child``."""

    parent = InTenant(Process, related_name="process_children")
    child = InTenant(Process, related_name="+")

    class Meta:
        constraints = [
            SameTenant("parent", name="processchild_parent_same_tenant"),
            SameTenant("child", name="processchild_child_same_tenant"),
            models.UniqueConstraint(fields=["parent", "child"], name="processchild_once"),
        ]

    def __str__(self) -> str:
        return f"{self.parent} may start {self.child}"


class ProcessAsset(TenantRow):
    """Jobs of a process are given what is secret in an asset."""

    process = InTenant(Process, related_name="process_assets")
    asset = InTenant("assets.Asset", related_name="process_assets")

    class Meta:
        constraints = [
            SameTenant("process", name="processasset_process_same_tenant"),
            SameTenant("asset", name="processasset_asset_same_tenant"),
            models.UniqueConstraint(fields=["process", "asset"], name="processasset_once"),
        ]

    def __str__(self) -> str:
        return f"{self.process} may use {self.asset}"


def _entrypoints() -> models.QuerySet[Entrypoint]:
    return Entrypoint.objects.filter(version_id=statements.Slot("version", models.UUIDField()))


_default_entrypoint = statements.Worded(lambda: _entrypoints().filter(is_default=True))
_named_entrypoint = statements.Worded(lambda: _entrypoints().filter(name=statements.Slot("name", models.CharField())))
