"""The two columns by which a stream is read in an order that never skips a row."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Func
from django.db.models.sql.compiler import SQLCompiler


class CurrentXid(Func):
    """The id of the running transaction, which asking for gives it one."""

    function = "pg_current_xact_id"
    arity = 0
    allowed_default = True


class NextValue(Func):
    """The next number of a sequence."""

    allowed_default = True

    def __init__(self, sequence: str, **extra: Any) -> None:
        self.sequence = sequence
        super().__init__(**extra)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        return f"nextval('{connection.ops.quote_name(self.sequence)}'::regclass)", []


class XidField(models.Field):
    """The 64-bit id of the transaction that wrote the row. Filled by the database; an ``int`` in Python."""

    description = "Transaction id"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {"db_default": CurrentXid(output_field=models.BigIntegerField()), "editable": False}
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, _, args, kwargs = super().deconstruct()
        del kwargs["db_default"], kwargs["editable"]
        return name, "apps.core.streams.fields.XidField", list(args), kwargs

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "xid8"

    def from_db_value(self, value: str | None, *_: Any) -> int | None:
        return None if value is None else int(value)

    def get_prep_value(self, value: Any) -> Any:
        """Pass numbers as text: PostgreSQL compares no integer with a transaction id."""
        value = super().get_prep_value(value)
        return str(value) if isinstance(value, int) else value


class SequenceField(models.BigIntegerField):
    """A number from a sequence of the table's own, ``<table>_seq``. Filled by the database.

    An identity column would be the plain way, but before PostgreSQL 17 partitions do not take part in one.
    """

    description = "Number in a stream"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["editable"] = False
        super().__init__(*args, **kwargs)

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        if not cls._meta.abstract:
            self.db_default = NextValue(self.sequence, output_field=models.BigIntegerField())

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        name, _, args, kwargs = super().deconstruct()
        del kwargs["editable"]
        kwargs.pop("db_default", None)
        return name, "apps.core.streams.fields.SequenceField", list(args), kwargs

    @property
    def sequence(self) -> str:
        """The name of the table's sequence."""
        return f"{self.model._meta.db_table}_seq"
