"""Migration operations that make streams."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import CreateModel
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.utils import timezone

from apps.core.streams import tables
from apps.core.streams.fields import SequenceField
from apps.core.streams.periods import AHEAD, Partition, Period


class CreatePartitionedModel(CreateModel):
    """Create a model's table partitioned by RANGE over ``id``, with partitions for now and the periods to come.

    ``makemigrations`` writes a plain ``CreateModel`` for a ``Stream``: put this name in its place and add ``every``
    (``"day"`` or ``"month"``, the model's ``PARTITION_BY``) and, for rows that may change, ``append_only=False``.
    """

    def __init__(self, *args: Any, every: str, append_only: bool = True, **kwargs: Any) -> None:
        self.every = every
        self.append_only = append_only
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        name, args, kwargs = super().deconstruct()
        return name, list(args), {**kwargs, "every": self.every, "append_only": self.append_only}

    def reduce(self, operation: Operation, app_label: str) -> bool | list[Operation]:
        """Never merge with what follows: the result would be a plain table."""
        return False

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model = to_state.apps.get_model(app_label, self.name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        table = model._meta.db_table
        _execute(schema_editor, [f'CREATE SEQUENCE "{sequence}"' for _, sequence in _sequences(model)])
        _create_partitioned(schema_editor, model)
        statements = [
            f'ALTER SEQUENCE "{sequence}" OWNED BY "{table}"."{column}"' for column, sequence in _sequences(model)
        ]
        _execute(schema_editor, [*statements, *self._guards(table), *self._partitions(table)])

    def describe(self) -> str:
        return f"Create partitioned model {self.name}"

    def _guards(self, table: str) -> list[str]:
        rows = tables.guard_rows(table) if self.append_only else []
        return [tables.REFUSE, *rows, *tables.guard_truncate(table)]

    def _partitions(self, table: str) -> list[str]:
        statements = tables.add_default(table)
        for partition in Partition.upcoming(table, Period(self.every), timezone.now(), ahead=AHEAD):
            statements += tables.add_partition(table, partition)
        return statements


class MakeAppendOnly(Operation):
    """Let the database refuse UPDATE, DELETE and TRUNCATE on a model's plain table."""

    reversible = True
    reduces_to_sql = True

    def __init__(self, name: str) -> None:
        self.name = name

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change nothing: Django's picture of the model stays the same."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        table = to_state.apps.get_model(app_label, self.name)._meta.db_table
        _execute(schema_editor, [tables.REFUSE, *tables.guard_rows(table), *tables.guard_truncate(table)])

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        table = from_state.apps.get_model(app_label, self.name)._meta.db_table
        _execute(schema_editor, tables.unguard(table))

    def describe(self) -> str:
        return f"Make {self.name} append-only"


def _create_partitioned(schema_editor: BaseDatabaseSchemaEditor, model: type[models.Model]) -> None:
    plain = schema_editor.sql_create_table
    schema_editor.sql_create_table = f"{plain} PARTITION BY RANGE (id)"
    try:
        schema_editor.create_model(model)
    finally:
        schema_editor.sql_create_table = plain


def _sequences(model: type[models.Model]) -> list[tuple[str, str]]:
    fields = [field for field in model._meta.local_fields if isinstance(field, SequenceField)]
    return [(str(field.column), field.sequence) for field in fields]


def _execute(schema_editor: BaseDatabaseSchemaEditor, statements: list[str]) -> None:
    for statement in statements:
        schema_editor.execute(statement, params=None)
