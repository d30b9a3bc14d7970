"""What the tables of every app are made of. No tables here."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.ddl_references import Statement
from django.db.models.constraints import BaseConstraint
from django.db.models.functions import Now

from apps.core import ids


class Row(models.Model):
    """A row with the one kind of key and the moment it was made, by the database's clock."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True


class TenantRow(Row):
    """A row that belongs to exactly one tenant."""

    tenant = models.ForeignKey("tenancy.Tenant", on_delete=models.PROTECT, related_name="+", editable=False)

    class Meta:
        abstract = True


class InTenant(models.ForeignKey):
    """A key to a row of the same tenant.

    The plain constraint is left out, because ``SameTenant`` puts a stronger one in its place: over tenant and key.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["db_constraint"] = False
        kwargs.setdefault("on_delete", models.PROTECT)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, _, args, kwargs = super().deconstruct()
        return name, "apps.core.models.InTenant", list(args), kwargs


class SameTenant(BaseConstraint):
    """``FOREIGN KEY (tenant_id, x_id) REFERENCES target (tenant_id, id)``: a key that cannot cross tenants.

    The target carries ``UNIQUE (tenant, id)`` (see ``tenant_key``). Deferred, so that rows may be made in any order
    within a transaction and a flush works.
    """

    def __init__(self, field: str, *, name: str) -> None:
        self.field = field
        super().__init__(name=name)

    def constraint_sql(self, model: Any, schema_editor: Any) -> str:
        """Leave CREATE TABLE as it is; the key follows at the end of the migration."""
        return self.create_sql(model, schema_editor)

    def create_sql(self, model: Any, schema_editor: Any) -> str:
        """Add the key at the end of the migration, when the target's own unique constraint is there too."""
        schema_editor.deferred_sql.append(self._add(model, schema_editor))
        return ""

    def remove_sql(self, model: Any, schema_editor: Any) -> Any:
        quote = schema_editor.quote_name
        return Statement(
            "ALTER TABLE %(table)s DROP CONSTRAINT %(name)s",
            table=quote(model._meta.db_table),
            name=quote(self.name),
        )

    def _add(self, model: Any, schema_editor: Any) -> Statement:
        quote = schema_editor.quote_name
        field = model._meta.get_field(self.field)
        return Statement(
            "ALTER TABLE %(table)s ADD CONSTRAINT %(name)s FOREIGN KEY (tenant_id, %(column)s) "
            "REFERENCES %(target)s (tenant_id, id) DEFERRABLE INITIALLY DEFERRED",
            table=quote(model._meta.db_table),
            name=quote(self.name),
            column=quote(field.column),
            target=quote(field.related_model._meta.db_table),
        )

    def validate(self, *args: Any, **kwargs: Any) -> None:
        """Leave it to the database: a form never offers rows of another tenant."""

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        return path, tuple(args), {**kwargs, "field": self.field}

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SameTenant):
            return self.name == other.name and self.field == other.field
        return super().__eq__(other)

    def __hash__(self) -> int:
        return hash((self.name, self.field))


def tenant_key(table: str) -> models.UniqueConstraint:
    """Return ``UNIQUE (tenant, id)``, which lets other rows of the tenant point here."""
    return models.UniqueConstraint(fields=["tenant", "id"], name=f"{table}_tenant_key")
