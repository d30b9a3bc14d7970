"""Assets: named values that automations read, the same for all or other ones in a folder, on a machine, on a robot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import ExpressionWrapper, F, Q, Value
from django.db.models.functions import Lower, Now
from django.utils import timezone

from apps.assets.rules import LONGEST_NAME, AssetType, CredentialKind, Fields, fields_of
from apps.core.actors import Actor
from apps.core.bin import Binnable, in_bin
from apps.core.models import InTenant, SameTenant, TenantRow, tenant_key
from apps.encryption.models import SealedField, seal, unseal
from apps.rbac import services as rbac
from apps.robots.models import Robot
from apps.tenancy.models import Folder

USUAL_NOTICE, LONGEST_NOTICE = 14, 365
"""Days before an asset expires, in which it is said to."""


class UsableBy(models.TextChoices):
    """Whose jobs are given a secret."""

    FOLDER = "folder", "every process of its folder and the folders below"
    LISTED = "listed", "the processes that are listed"


class Expiry(models.TextChoices):
    """How near an asset is to its end."""

    LASTING = "lasting", "not soon"
    EXPIRING = "expiring", "soon"
    EXPIRED = "expired", "expired"


class AssetQuerySet(models.QuerySet["Asset"]):
    """Finding assets."""

    def alive(self) -> AssetQuerySet:
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> AssetQuerySet:
        return rbac.visible(self, actor, "assets.view_asset")

    def reaching(self, folder: Folder) -> AssetQuerySet:
        """Return those that hold in a folder: its own, and those of the folders above."""
        return self.filter(tenant_id=folder.tenant_id, folder__in=[*folder.ancestor_ids, folder.pk])

    def expiry(self, wanted: str) -> AssetQuerySet:
        """Return those that are as near to their end as ``Expiry`` says."""
        notice = ExpressionWrapper(F("notice_days") * Value(timedelta(days=1)), output_field=models.DurationField())
        is_over, is_near = Q(expires_at__lte=Now()), Q(expires_at__lte=Now() + notice)
        match wanted:
            case Expiry.EXPIRED:
                return self.filter(is_over)
            case Expiry.EXPIRING:
                return self.filter(is_near).exclude(is_over)
            case _:
                return self.filter(Q(expires_at=None) | ~is_near)

    def named(self, name: str, folder: Folder) -> Asset | None:
        """Return the one of this name that holds in a folder: the nearest."""
        found = self.alive().reaching(folder).filter(name__iexact=name).select_related("folder")
        return max(found, key=lambda asset: asset.folder.depth, default=None)


class Asset(Binnable, TenantRow):
    """A named value. What it is worth may differ by folder, machine and robot; the nearest counts."""

    folder = InTenant("tenancy.Folder", related_name="+")
    name = models.CharField(max_length=LONGEST_NAME)
    description = models.CharField(max_length=2000, blank=True)
    type = models.CharField(max_length=12, choices=[(one.value, one.value) for one in AssetType])
    kind = models.CharField(
        max_length=12,
        blank=True,
        choices=[(one.value, one.value) for one in CredentialKind],
        help_text="Of a credential.",
    )
    usable_by = models.CharField(
        max_length=8,
        choices=UsableBy,
        default=UsableBy.FOLDER,
        help_text="Whose running jobs are given what is secret in it.",
    )
    exclusive = models.BooleanField(
        "one at a time",
        default=False,
        help_text="One execution at a time has it: jobs of the processes that are listed wait for one another.",
    )
    schema = models.JSONField(
        null=True,
        blank=True,
        editable=False,
        help_text="Of a credential of a kind of your own: its fields, as a JSON Schema. `writeOnly` ones are sealed.",
    )
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="When it stops working elsewhere. An event tells of it in time."
    )
    notice_days = models.PositiveSmallIntegerField(
        "days of notice",
        default=USUAL_NOTICE,
        validators=[MaxValueValidator(LONGEST_NOTICE)],
        help_text="So many days before it expires, an event says so.",
    )
    told_expiring_at = models.DateTimeField(null=True, editable=False)
    told_expired_at = models.DateTimeField(null=True, editable=False)

    objects = AssetQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("asset"),
            SameTenant("folder", name="asset_folder_same_tenant"),
            models.UniqueConstraint("folder", Lower("name"), name="asset_name_free", condition=Q(deleted_at=None)),
            models.CheckConstraint(name="asset_type_known", condition=Q(type__in=[one.value for one in AssetType])),
            models.CheckConstraint(
                name="asset_exclusive_is_listed", condition=Q(exclusive=False) | Q(usable_by="listed")
            ),
            models.CheckConstraint(
                name="asset_credential_has_kind",
                condition=(Q(type="credential") & ~Q(kind="")) | (~Q(type="credential") & Q(kind="")),
            ),
            models.CheckConstraint(name="asset_schema_is_custom", condition=Q(schema__isnull=True) | Q(kind="custom")),
        ]
        indexes = [in_bin("asset")]
        permissions = [
            ("set_asset", "Can set values of assets"),
            ("use_asset", "Can let a job use what is secret in an asset"),
            ("reveal_asset", "Can see what is secret in an asset"),
        ]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_secret(self) -> bool:
        return AssetType(self.type).is_secret

    @property
    def fields(self) -> Fields:
        """What it consists of: of a secret its one field, of a credential what its kind or its schema says."""
        if self.type == AssetType.CREDENTIAL:
            return fields_of(self.kind, self.schema)
        return Fields(secret=("value",)) if self.is_secret else Fields()

    @property
    def expiry(self) -> str:
        """How near it is to its end, as ``Expiry`` says."""
        if self.expires_at is None:
            return Expiry.LASTING
        left = self.expires_at - timezone.now()
        if left <= timedelta(0):
            return Expiry.EXPIRED
        return Expiry.EXPIRING if left <= timedelta(days=self.notice_days) else Expiry.LASTING

    def value_for(self, robot: Robot | None, folder: Folder | None) -> AssetValue | None:
        """Return the value that counts on a robot for work in a folder: the robot's, its machine's, the nearest's."""
        fitting = [one for one in self.values.select_related("for_folder") if one.rank(robot, folder) is not None]
        return max(fitting, key=lambda one: one.rank(robot, folder) or 0, default=None)


class StoreType(models.TextChoices):
    """Where a store keeps what is secret."""

    INTERNAL = "internal_db", "here, sealed"
    VAULT = "hashicorp_vault", "HashiCorp Vault (KV version 2)"


class CredentialStoreQuerySet(models.QuerySet["CredentialStore"]):
    """Finding stores of credentials."""

    def alive(self) -> CredentialStoreQuerySet:
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> CredentialStoreQuerySet:
        return rbac.visible(self, actor, "assets.view_credentialstore")


class CredentialStore(TenantRow):
    """Where secrets lie: here, or in a store of others from which they are read when they are needed."""

    name = models.CharField(max_length=LONGEST_NAME)
    description = models.CharField(max_length=2000, blank=True)
    type = models.CharField(max_length=16, choices=StoreType)
    address = models.CharField(
        max_length=500, blank=True, help_text="Such as https://vault.example.com:8443, without a path."
    )
    namespace = models.CharField(max_length=200, blank=True, help_text="Of Vault Enterprise, if it has any.")
    mount = models.CharField(max_length=200, blank=True, help_text="Where the secrets engine is mounted.")
    path_prefix = models.CharField(max_length=300, blank=True, help_text="Nothing outside of it is read.")
    token = SealedField(blank=True, help_text="What we show to be let in.")
    changed_at = models.DateTimeField(db_default=Now(), editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = CredentialStoreQuerySet.as_manager()

    class Meta:
        constraints = [
            tenant_key("credentialstore"),
            models.UniqueConstraint(
                "tenant", Lower("name"), name="credentialstore_name_free", condition=Q(deleted_at=None)
            ),
            models.UniqueConstraint(
                fields=["tenant"], name="credentialstore_one_internal", condition=Q(type="internal_db")
            ),
            models.CheckConstraint(name="credentialstore_type_known", condition=Q(type__in=StoreType.values)),
        ]
        permissions = [("use_credentialstore", "Can let assets lie in a store of credentials")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_default(self) -> bool:
        """Whether secrets go there where no other store is named."""
        return self.type == StoreType.INTERNAL


class AssetValue(TenantRow):
    """One value of an asset: its own, or the one for a folder, a machine or a robot."""

    PRECEDENCE: ClassVar = {"for_robot": 1_000_000, "for_machine": 999_999}

    asset = InTenant(Asset, related_name="values", db_index=False)
    for_folder = InTenant("tenancy.Folder", null=True, related_name="+")
    for_machine = InTenant("robots.Machine", null=True, related_name="+")
    for_robot = InTenant("robots.Robot", null=True, related_name="+")
    value = models.JSONField(null=True, help_text="What may be seen of it.")
    sealed = SealedField(blank=True, help_text="The secret fields, as JSON.")
    store = InTenant(CredentialStore, null=True, related_name="values", help_text="Where they lie instead.")
    path = models.CharField(max_length=500, blank=True, help_text="Where in that store.")
    keys = models.JSONField(default=dict, help_text="What a field is called there, if not as here.")
    token = SealedField(blank=True, help_text="What an OAuth2 client was given last.")
    token_until = models.DateTimeField(null=True, editable=False)
    changed_at = models.DateTimeField(db_default=Now(), editable=False)
    changed_by = models.CharField(max_length=200, editable=False)

    class Meta:
        default_permissions = ()
        constraints = [
            tenant_key("assetvalue"),
            SameTenant("asset", name="assetvalue_asset_same_tenant"),
            SameTenant("for_folder", name="assetvalue_folder_same_tenant"),
            SameTenant("for_machine", name="assetvalue_machine_same_tenant"),
            SameTenant("for_robot", name="assetvalue_robot_same_tenant"),
            SameTenant("store", name="assetvalue_store_same_tenant"),
            models.CheckConstraint(name="assetvalue_in_one_store", condition=Q(store=None) | Q(sealed="")),
            models.UniqueConstraint(
                fields=["asset", "for_folder", "for_machine", "for_robot"],
                name="assetvalue_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="assetvalue_one_place",
                condition=Q(for_folder=None, for_machine=None)
                | Q(for_folder=None, for_robot=None)
                | Q(for_machine=None, for_robot=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asset} {self.place}"

    @property
    def place(self) -> str:
        """Where it counts, in words."""
        for word in ("robot", "machine", "folder"):
            if (what := getattr(self, f"for_{word}")) is not None:
                return f"on the {word} {what}" if word != "folder" else f"in the folder {what}"
        return "everywhere else"

    @property
    def place_columns(self) -> dict[str, Any]:
        """What names the place; nothing for everywhere else."""
        named = {word: getattr(self, f"for_{word}") for word in ("folder", "machine", "robot")}
        return {word: row for word, row in named.items() if row is not None}

    def rank(self, robot: Robot | None, folder: Folder | None) -> int | None:
        """Return how near this value is to a robot's work in a folder; ``None`` where it does not count there."""
        if self.for_robot_id is not None:
            return self.PRECEDENCE["for_robot"] if robot is not None and robot.pk == self.for_robot_id else None
        if self.for_machine_id is not None:
            fits = robot is not None and robot.machine_id == self.for_machine_id
            return self.PRECEDENCE["for_machine"] if fits else None
        if self.for_folder is not None:
            fits = folder is not None and folder.path.startswith(self.for_folder.path)
            return len(self.for_folder.path) if fits else None
        return 0

    def seal(self, secrets: Mapping[str, str]) -> None:
        """Put the secret fields in; the caller stores the row."""
        seal(self, "sealed", json.dumps(dict(secrets)))

    def unseal(self) -> dict[str, str]:
        """Return the secret fields. Whoever calls has asked whether it may. Raises ``Unopenable``."""
        fields: dict[str, str] = json.loads(unseal(self, "sealed")) if self.sealed else {}
        return fields
