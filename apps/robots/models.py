"""Machines, the robots on them, their credentials and their sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, Subquery
from django.db.models.functions import Coalesce, Lower, Now
from django.utils import timezone

from apps.core.actors import Actor
from apps.core.bin import Binnable, in_bin
from apps.core.models import InTenant, SameTenant, TenantRow, tenant_key
from apps.core.streams import Period, Stream
from apps.core.tokens import Token
from apps.rbac import services as rbac
from apps.robots import rules
from apps.tenancy.models import TenantStatus


class MachineQuerySet(models.QuerySet["Machine"]):
    def alive(self) -> MachineQuerySet:
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> MachineQuerySet:
        return rbac.visible(self, actor, "robots.view_machine")

    def with_robots(self) -> MachineQuerySet:
        """Add ``robot_count``, the robots there are on each, and read its live key with it."""
        robots = Robot.objects.alive().order_by().filter(machine=OuterRef("pk")).values("machine")
        count = Coalesce(Subquery(robots.annotate(count=Count("pk")).values("count")), 0)
        live_keys = Prefetch("keys", queryset=MachineKey.objects.filter(MachineKey.live()), to_attr="live_keys")
        return self.annotate(robot_count=count).prefetch_related(live_keys)


class EnrolmentKeyQuerySet(models.QuerySet["EnrolmentKey"]):
    def alive(self) -> EnrolmentKeyQuerySet:
        return self.filter(revoked_at=None)

    def with_machines(self) -> EnrolmentKeyQuerySet:
        """Add ``machine_count``, the machines each has made that are still there."""
        machines = Machine.objects.alive().order_by().filter(made_by=OuterRef("pk")).values("made_by")
        return self.annotate(machine_count=Coalesce(Subquery(machines.annotate(count=Count("pk")).values("count")), 0))

    def visible_to(self, actor: Actor) -> EnrolmentKeyQuerySet:
        return rbac.visible(self, actor, "robots.view_enrolmentkey")


class EnrolmentKeyStatus(models.TextChoices):
    """What an enrolment key shows. Never stored."""

    LIVE = "live"
    USED_UP = "used_up", "Used up"
    EXPIRED = "expired"
    REVOKED = "revoked"


class EnrolmentKey(Token):
    """A key with which many computers enrol: a template of the machines and robots that it makes."""

    KIND = "t"

    name = models.CharField(max_length=100)
    description = models.CharField(max_length=500, blank=True)
    folders = models.ManyToManyField("tenancy.Folder", through="EnrolmentKeyFolder", related_name="+")
    labels = ArrayField(
        models.CharField(max_length=63), default=list, blank=True, help_text="Every machine made by it gets these."
    )
    slots = models.PositiveSmallIntegerField(default=1, help_text="How many jobs a robot made by it runs at once.")
    networks = ArrayField(
        models.CharField(max_length=50),
        default=list,
        blank=True,
        help_text="Networks it may be used from, such as 10.1.0.0/16. Empty: from anywhere.",
    )
    most_uses = models.PositiveIntegerField(
        null=True, blank=True, help_text="How many new machines it may make. Empty: any number."
    )
    uses = models.PositiveIntegerField(default=0, editable=False)

    objects = EnrolmentKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "enrolment key"
        constraints = [
            tenant_key("enrolmentkey"),
            models.UniqueConstraint(
                "tenant", Lower("name"), name="enrolmentkey_name_free", condition=Q(revoked_at=None)
            ),
            models.CheckConstraint(name="enrolmentkey_slots_in_range", condition=Q(slots__gte=1, slots__lte=64)),
            models.CheckConstraint(
                name="enrolmentkey_uses_in_bounds", condition=Q(most_uses=None) | Q(uses__lte=F("most_uses"))
            ),
        ]
        permissions = [("rotate_enrolmentkey", "Can replace an enrolment key")]

    def __str__(self) -> str:
        return self.name

    @property
    def uses_left(self) -> int | None:
        """How many new machines it may make still; ``None`` is any number."""
        return None if self.most_uses is None else self.most_uses - self.uses

    @property
    def status(self) -> EnrolmentKeyStatus:
        """Whether it makes machines, and else why not."""
        if self.revoked_at is not None:
            return EnrolmentKeyStatus.REVOKED
        if not self.is_live(timezone.now()):
            return EnrolmentKeyStatus.EXPIRED
        return EnrolmentKeyStatus.USED_UP if self.uses_left == 0 else EnrolmentKeyStatus.LIVE


class EnrolmentKeyFolder(TenantRow):
    """Robots made by a key work for a folder."""

    key = InTenant(EnrolmentKey, related_name="key_folders")
    folder = InTenant("tenancy.Folder", related_name="+")

    class Meta:
        constraints = [
            SameTenant("key", name="enrolmentkeyfolder_key_same_tenant"),
            SameTenant("folder", name="enrolmentkeyfolder_folder_same_tenant"),
            models.UniqueConstraint(fields=["key", "folder"], name="enrolmentkeyfolder_once"),
        ]

    def __str__(self) -> str:
        return f"{self.key} for {self.folder}"


class Machine(Binnable, TenantRow):
    """A computer on which robots run. Its enrolment key lets robots introduce themselves."""

    NAMED_WITHIN = ("tenant",)

    name = models.CharField(max_length=100)
    description = models.CharField(max_length=500, blank=True)
    labels = ArrayField(
        models.CharField(max_length=63), default=list, blank=True, help_text="Every robot on it has these labels too."
    )
    signature = models.CharField(max_length=64, blank=True, editable=False)
    signature_bound_at = models.DateTimeField(null=True, editable=False)
    info = models.JSONField(default=dict, editable=False)
    last_seen_at = models.DateTimeField(null=True, editable=False)
    made_by = InTenant(EnrolmentKey, null=True, related_name="machines", editable=False)

    objects = MachineQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("machine"),
            SameTenant("made_by", name="machine_made_by_same_tenant"),
            models.UniqueConstraint(
                fields=["made_by", "signature"], name="machine_once_per_key", condition=Q(deleted_at=None)
            ),
            models.UniqueConstraint("tenant", Lower("name"), name="machine_name_free", condition=Q(deleted_at=None)),
        ]
        indexes = [in_bin("machine")]
        permissions = [("enrol_machine", "Can make and regenerate a machine's key")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_bound(self) -> bool:
        """Whether a host has introduced itself, so that no other can use the key."""
        return bool(self.signature)

    @property
    def live_key(self) -> MachineKey | None:
        """The key with which robots enrol now, of a row read ``with_robots``."""
        keys: list[MachineKey] = self.live_keys  # type: ignore[attr-defined]
        return keys[0] if keys else None


class MachineKey(Token):
    """The key with which robots of a machine enrol; at most one is live."""

    KIND = "m"

    machine = InTenant(Machine, related_name="keys")

    class Meta:
        constraints = [
            SameTenant("machine", name="machinekey_machine_same_tenant"),
            models.UniqueConstraint(fields=["machine"], name="machinekey_one_live", condition=Q(revoked_at=None)),
        ]

    def __str__(self) -> str:
        return f"key of {self.machine}"


class RobotQuerySet(models.QuerySet["Robot"]):
    def alive(self) -> RobotQuerySet:
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> RobotQuerySet:
        return rbac.visible(self, actor, "robots.view_robot")

    def fitting(self, **wanted: Sequence[Any]) -> RobotQuerySet:
        """Narrow to one of the ids (``robots``, ``machine``, ``folder``) of each kind named, and to every ``label``."""
        found: Any = self
        if "robots" in wanted:
            found = found.filter(pk__in=wanted["robots"])
        if "machine" in wanted:
            found = found.filter(machine_id__in=wanted["machine"])
        if "folder" in wanted:
            working = RobotFolder.objects.filter(folder_id__in=wanted["folder"])
            found = found.filter(pk__in=working.values("robot_id"))
        for label in wanted.get("label", ()):
            found = found.labelled(label)
        return cast("RobotQuerySet", found)

    def labelled(self, label: str) -> RobotQuerySet:
        """Narrow to robots that have a label, of their own or of their machine."""
        wanted = [label.lower()]
        return self.filter(Q(labels__contains=wanted) | Q(machine__labels__contains=wanted))

    def gone(self) -> RobotQuerySet:
        """Narrow to robots that came for one job and left without a word. Whom we turn away cannot speak: it stays."""
        since = Now() - rules.GONE_AFTER
        synced = RobotSession.objects.filter(robot=OuterRef("pk"), last_seen_at__gt=since)
        called = RobotToken.objects.filter(robot=OuterRef("pk"), last_used_at__gt=since)
        came_for_one_job = self.alive().filter(is_ephemeral=True, enabled=True, tenant__status=TenantStatus.ACTIVE)
        return came_for_one_job.filter(~Exists(synced), ~Exists(called), created_at__lt=since)

    def telling(self, **facts: Any) -> RobotQuerySet:
        """Narrow to robots of whose current session ``facts`` are true, such as ``problem="spool_full"``."""
        current = RobotSession.objects.filter(robot=OuterRef("pk"), ended_at=None, **facts)
        return self.filter(Exists(current))


class Robot(Binnable, TenantRow):
    """A worker identity that pulls jobs. What it shows as its status is derived, never stored."""

    NAMED_WITHIN = ("tenant",)

    machine = InTenant(Machine, related_name="robots")
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=500, blank=True)
    folders = models.ManyToManyField("tenancy.Folder", through="RobotFolder", related_name="+")
    labels = ArrayField(models.CharField(max_length=63), default=list, blank=True)
    slots = models.PositiveSmallIntegerField(default=1, help_text="How many jobs it runs at once.")
    enabled = models.BooleanField(default=True)
    draining = models.BooleanField(default=False, help_text="Finishes what runs and takes nothing new.")
    maintenance = models.BooleanField("in maintenance", default=False)
    maintenance_reason = models.CharField(max_length=300, blank=True)
    maintenance_until = models.DateTimeField(null=True, blank=True, help_text="Ends by itself then. Empty: by hand.")
    is_ephemeral = models.BooleanField(
        default=False, editable=False, help_text="Came to run one job, and leaves by itself after it."
    )
    pushed_settings = models.JSONField(
        default=dict, blank=True, editable=False, help_text="What it does otherwise than the installation says."
    )
    token_generation = models.PositiveIntegerField(
        default=0, editable=False, help_text="Rises with each rotation, so that the machine's key gives another token."
    )
    error = models.CharField(max_length=300, blank=True, editable=False)
    error_at = models.DateTimeField(null=True, editable=False)

    objects = RobotQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("robot"),
            SameTenant("machine", name="robot_machine_same_tenant"),
            models.UniqueConstraint("tenant", Lower("name"), name="robot_name_free", condition=Q(deleted_at=None)),
            models.CheckConstraint(name="robot_slots_in_range", condition=Q(slots__gte=1, slots__lte=64)),
            models.CheckConstraint(
                name="robot_maintenance_has_reason", condition=Q(maintenance=False) | ~Q(maintenance_reason="")
            ),
        ]
        indexes = [
            in_bin("robot"),
            models.Index(fields=["machine"], name="robot_by_machine"),
            GinIndex(fields=["labels"], name="robot_labels"),
        ]
        permissions = [
            ("report_robot", "Can report as a robot"),
            ("rotate_robot", "Can rotate a robot's token"),
        ]

    def __str__(self) -> str:
        # A row that was read in part is not read again for its name.
        return f"{self.name} (deregistered)" if self.__dict__.get("deleted_at") else self.name


class RobotFolder(TenantRow):
    """A robot works for a folder."""

    robot = InTenant(Robot, related_name="robot_folders")
    folder = InTenant("tenancy.Folder", related_name="+")

    class Meta:
        constraints = [
            SameTenant("robot", name="robotfolder_robot_same_tenant"),
            SameTenant("folder", name="robotfolder_folder_same_tenant"),
            models.UniqueConstraint(fields=["robot", "folder"], name="robotfolder_once"),
        ]

    def __str__(self) -> str:
        return f"{self.robot} in {self.folder}"


class RobotToken(Token):
    """A robot's credential. During a rotation the old one lives on for a while."""

    KIND = "r"

    robot = InTenant(Robot, related_name="tokens")
    is_derived = models.BooleanField(default=False, editable=False, help_text="Comes from the machine's key.")

    class Meta:
        constraints = [SameTenant("robot", name="robottoken_robot_same_tenant")]
        indexes = [models.Index(fields=["robot"], name="robottoken_by_robot")]

    def __str__(self) -> str:
        return f"token of {self.robot}"

    @classmethod
    def good_after(cls, moment: Any) -> Q:
        """Return the condition under which a row is not revoked by a moment; its life may be over all the same."""
        return Q(revoked_at=None) | Q(revoked_at__gt=moment)


class RobotSample(Stream):
    """What a robot measured of its machine, about once a minute. Shares are between 0 and 1, sizes bytes."""

    PARTITION_BY = Period.DAY

    tenant_id = models.UUIDField()
    robot_id = models.UUIDField()
    cpu = models.FloatField(null=True, help_text="Share of all processors in use.")
    memory = models.FloatField(null=True, help_text="Share of the memory in use.")
    disk = models.FloatField(null=True, help_text="Share of the spool's disk in use.")
    disk_free = models.BigIntegerField(null=True)
    load = models.FloatField(null=True, help_text="Load average of the last minute, per processor.")

    class Meta:
        indexes = [models.Index(fields=["robot_id", "-id"], name="robotsample_by_robot")]

    def __str__(self) -> str:
        return f"sample of robot {self.robot_id}"


class RobotSession(TenantRow):
    """One robot process that speaks for a robot; a robot has at most one current session."""

    robot = InTenant(Robot, related_name="sessions")
    instance_id = models.UUIDField()
    boot_id = models.CharField(max_length=100, blank=True)
    resume_digest = models.CharField(max_length=64)
    agent = models.JSONField(default=dict)
    version = ArrayField(models.IntegerField(), default=list, help_text="Of the robot's program, for version floors.")
    capabilities = models.JSONField(default=dict)
    executors = ArrayField(models.CharField(max_length=16), default=list)
    legacy_scripts = models.BooleanField(default=False)
    is_classic = models.BooleanField(default=False, help_text="Speaks the calls of older runners.")
    last_seen_at = models.DateTimeField(db_default=Now())
    waits_until = models.DateTimeField(null=True)
    accepting = models.BooleanField(default=True)
    problem = models.CharField(max_length=100, blank=True)
    seq = models.BigIntegerField(default=0)
    body_digest = models.CharField(max_length=64, blank=True)
    metrics = models.JSONField(default=dict)
    took_over = models.BooleanField(default=False)
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [
            tenant_key("robotsession"),
            SameTenant("robot", name="robotsession_robot_same_tenant"),
            models.UniqueConstraint(fields=["robot"], name="robotsession_one_current", condition=Q(ended_at=None)),
        ]
        indexes = [
            models.Index(fields=["robot", "-id"], name="robotsession_by_robot"),
            models.Index(fields=["tenant"], name="robotsession_current", condition=Q(ended_at=None)),
        ]

    def __str__(self) -> str:
        return f"session of {self.robot}"
