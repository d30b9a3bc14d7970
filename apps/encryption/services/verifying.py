"""Proving that the keys are the right ones and that every secret opens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apps.encryption.models import DataKey, DataKeyStatus, sealed_fields, unseal
from apps.encryption.rules.envelopes import Unopenable

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that does not open: what, and why in words."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


def flaws_of_keys() -> Iterator[Flaw]:
    """Yield each data key that the master keys at hand do not open; cheap enough for every start."""
    for key in DataKey.objects.exclude(status=DataKeyStatus.DESTROYED).select_related("tenant"):
        try:
            key.refuse_wrong_keys()
        except Unopenable as error:
            yield Flaw(str(key), str(error))


def flaws_of_secrets() -> Iterator[Flaw]:
    """Yield each secret that does not open; reads them all."""
    for model, field in sealed_fields():
        rows = model._base_manager.exclude(**{field: None}).exclude(**{field: ""}).order_by("pk")
        for row in rows.only("pk", "tenant_id", field).iterator(chunk_size=_CHUNK):
            try:
                unseal(row, field)
            except Unopenable as error:
                yield Flaw(f"{field} of {model._meta.verbose_name} {row.pk}", str(error))
