"""Data keys, each of one tenant, the columns that hold what they seal, and the keys of signatures."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, ClassVar
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils.module_loading import import_string

from apps.core import ids
from apps.core.models import Row
from apps.core.states import Stateful, StatefulQuerySet
from apps.encryption.rules import envelopes, signatures
from apps.encryption.rules.envelopes import Unopenable
from apps.encryption.rules.masters import MasterKeys

_CANARY = b"This opens."


class DataKeyStatus(models.TextChoices):
    CURRENT = "current"  # what is sealed from now on
    ACCEPTED = "accepted"  # opens what it sealed, and seals nothing more
    DESTROYED = "destroyed"  # nothing needs it, and nothing can be opened by it


class DataKeyQuerySet(StatefulQuerySet["DataKey"]):
    """Finding keys."""

    def of(self, tenant_id: UUID | None) -> DataKeyQuerySet:
        """Return the keys of a tenant, or with ``None`` of the installation."""
        return self.filter(tenant__isnull=True) if tenant_id is None else self.filter(tenant_id=tenant_id)

    def current_of(self, tenant_id: UUID | None) -> DataKey:
        """Return the key that seals for a tenant, or for the installation; the first call makes it."""
        return self._current(tenant_id) or self._first(tenant_id)

    def _current(self, tenant_id: UUID | None) -> DataKey | None:
        return self.of(tenant_id).filter(status=DataKeyStatus.CURRENT).first()

    def _first(self, tenant_id: UUID | None) -> DataKey:
        key = DataKey.new(tenant_id, number=1)
        try:
            with transaction.atomic():
                self.bulk_create([key])
        except IntegrityError:
            return self.of(tenant_id).get(status=DataKeyStatus.CURRENT)  # Somebody else was first.
        return key


class DataKey(Stateful, Row):
    """A key that seals what belongs to one tenant, itself wrapped by a master key."""

    TRANSITIONS: ClassVar = {
        DataKeyStatus.CURRENT: {DataKeyStatus.ACCEPTED},
        DataKeyStatus.ACCEPTED: {DataKeyStatus.DESTROYED},
        DataKeyStatus.DESTROYED: set(),
    }

    tenant = models.ForeignKey("tenancy.Tenant", null=True, on_delete=models.PROTECT, related_name="+", editable=False)
    number = models.PositiveIntegerField(editable=False, help_text="Of its tenant's keys.")
    status = models.CharField(max_length=16, choices=DataKeyStatus, default=DataKeyStatus.CURRENT)
    wrapped = models.TextField(blank=True, editable=False)
    master = models.CharField("master key", max_length=64, editable=False, help_text="The one that wrapped it.")
    canary = models.TextField(editable=False, help_text="A known text: whoever opens it has the right keys.")
    rotated_at = models.DateTimeField(null=True, editable=False, help_text="When another took its place.")

    objects = DataKeyQuerySet.as_manager()

    class Meta:
        default_permissions = ("view",)
        permissions = [("rotate_datakey", "Can rotate keys and have secrets verified")]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "number"], name="datakey_number_once", nulls_distinct=False),
            models.UniqueConstraint(
                fields=["tenant"], name="datakey_one_current", condition=Q(status="current"), nulls_distinct=False
            ),
            models.CheckConstraint(name="datakey_status_known", condition=Q(status__in=DataKeyStatus.values)),
            models.CheckConstraint(name="datakey_destroyed_is_gone", condition=~Q(status="destroyed") | Q(wrapped="")),
        ]
        ordering = ["tenant", "-number"]

    def __str__(self) -> str:
        return f"data key {self.number} of {self.tenant or 'the installation'}"

    @classmethod
    def new(cls, tenant_id: UUID | None, *, number: int) -> DataKey:
        """Return a new random key, unsaved."""
        key = cls(id=ids.uuid7(), tenant_id=tenant_id, number=number)
        secret = secrets.token_bytes(envelopes.KEY_BYTES)
        key.wrap(secret)
        key.canary = envelopes.seal(_CANARY, key=secret, name=key.name, about=key.about)
        return key

    @property
    def name(self) -> str:
        """What sealed texts call it."""
        return self.pk.hex

    @property
    def about(self) -> str:
        return f"{self.tenant_id or '-'}|{self._meta.db_table}|{self.pk}"

    def wrap(self, secret: bytes) -> None:
        """Let the current master key wrap it."""
        self.wrapped, self.master = master_keys().wrap(secret, about=self.about), master_keys().current

    def secret(self) -> bytes:
        """Return the key itself. Raises ``Unopenable``."""
        return _unwrapped(self.wrapped, self.about)

    def refuse_wrong_keys(self) -> None:
        """Raise ``Unopenable`` where this is not the key it was, or the master key is not the one that wrapped it."""
        envelopes.unseal(self.canary, key=self.secret(), about=self.about)


class SealedField(models.TextField):
    """A column of ciphertext: ``seal`` puts something in, ``unseal`` gets it out, and no form ever shows it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "editable": False})

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """Be a plain column to migrations, which know no app of ours."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", list(args), kwargs


def seal(row: Any, field: str, plain: str) -> None:
    """Put a secret into a sealed column of a row that has its key and tenant; the caller stores the row."""
    key = DataKey.objects.current_of(row.tenant_id)
    setattr(row, field, envelopes.seal(plain.encode(), key=key.secret(), name=key.name, about=about(row, field)))


def unseal(row: Any, field: str) -> str:
    """Return the secret in a sealed column. Whoever calls has asked whether it may. Raises ``Unopenable``."""
    text = getattr(row, field)
    key = DataKey.objects.filter(pk=_key_id(text), tenant_id=row.tenant_id).first()
    if key is None:
        raise Unopenable("The key that sealed it is not one of its tenant's.")
    return envelopes.unseal(text, key=key.secret(), about=about(row, field)).decode()


def about(row: Any, field: str) -> str:
    """Return what binds a sealed text to where it lies."""
    return f"{row.tenant_id or '-'}|{row._meta.db_table}|{row.pk}|{field}"


def sealed_fields() -> Iterator[tuple[type[models.Model], str]]:
    """Yield every sealed column there is; a new one is rotated and verified without being named anywhere."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, SealedField):
                yield model, field.attname


@cache
def master_keys() -> MasterKeys:
    """Return who wraps data keys here, as the settings say."""
    made: MasterKeys = import_string(settings.MASTER_KEY_PROVIDER)(settings.MASTER_KEYS)
    return made


@lru_cache(maxsize=4096)
def _unwrapped(wrapped: str, about: str) -> bytes:
    return master_keys().unwrap(wrapped, about=about)


def _key_id(text: str) -> UUID:
    try:
        return UUID(envelopes.key_of(text))
    except ValueError as error:
        raise Unopenable("It is no sealed text.") from error


class SigningKeyQuerySet(models.QuerySet["SigningKey"]):
    """Finding the keys of signatures."""

    def current(self) -> SigningKey:
        """Return the key that signs now; the first call makes it."""
        return self.filter(retired_at=None).first() or self._first()

    def _first(self) -> SigningKey:
        key = SigningKey.new()
        try:
            with transaction.atomic():
                SigningKey.objects.bulk_create([key])
        except IntegrityError:
            return self.get(retired_at=None)  # Somebody else was first.
        return key


class SigningKey(Row):
    """A pair of Ed25519 keys by which the installation signs: the private one sealed, the public one for everybody.

    A key that was replaced stays, so that what it signed can still be checked.
    """

    tenant = models.ForeignKey(
        "tenancy.Tenant", null=True, on_delete=models.PROTECT, related_name="+", editable=False,
        help_text="Empty: the installation signs for all its tenants.",
    )  # fmt: skip
    public = models.CharField("public key", max_length=64, unique=True, editable=False, help_text="32 bytes in hex.")
    private = SealedField()
    retired_at = models.DateTimeField(null=True, editable=False)

    objects = SigningKeyQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"], name="signingkey_one_current", condition=Q(retired_at=None), nulls_distinct=False
            ),
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"signing key {self.name}"

    @classmethod
    def new(cls) -> SigningKey:
        """Return a new random pair, unsaved."""
        private, public = signatures.new_pair()
        key = cls(id=ids.uuid7(), public=public.hex())
        seal(key, "private", private.hex())
        return key

    @property
    def name(self) -> str:
        """What signatures call it."""
        return signatures.name_of(bytes.fromhex(self.public))

    @property
    def pem(self) -> str:
        """The public key as other programs read it."""
        return signatures.pem_of(bytes.fromhex(self.public))

    def sign(self, data: bytes) -> bytes:
        """Return the signature of ``data``. Raises ``Unopenable``."""
        return signatures.sign(data, private=bytes.fromhex(unseal(self, "private")))
