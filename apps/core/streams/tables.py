"""The SQL that makes a table a stream."""

from __future__ import annotations

from apps.core.streams.periods import Partition, default_of

NO_CHANGE = "stream_no_change"
NO_TRUNCATE = "stream_no_truncate"

#: Raised as an integrity error, so that callers see what it is: a rule of the data, not of the role.
REFUSE = """
CREATE OR REPLACE FUNCTION stream_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% refused: rows of % stay as they were written', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$
"""


def guard_rows(table: str) -> list[str]:
    """Refuse UPDATE and DELETE. Partitions, present and to come, inherit this from their parent."""
    # ALWAYS: otherwise a session that plays a replica goes around it.
    return [
        f'CREATE TRIGGER {NO_CHANGE} BEFORE UPDATE OR DELETE ON "{table}" '
        "FOR EACH ROW EXECUTE FUNCTION stream_refuse()",
        f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER {NO_CHANGE}',
    ]


def guard_truncate(table: str) -> list[str]:
    """Refuse TRUNCATE of this very table: partitions inherit neither the trigger nor the missing privilege."""
    return [
        f'CREATE TRIGGER {NO_TRUNCATE} BEFORE TRUNCATE ON "{table}" '
        "FOR EACH STATEMENT EXECUTE FUNCTION stream_refuse()",
        f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER {NO_TRUNCATE}',
        f'REVOKE TRUNCATE ON "{table}" FROM PUBLIC, CURRENT_USER',
    ]


def add_partition(table: str, partition: Partition) -> list[str]:
    """Make a partition."""
    return _attach(table, partition.name, f"FOR VALUES {partition.bounds}")


def add_default(table: str) -> list[str]:
    """Make the partition for rows whose own is missing, so that a write never fails for want of one."""
    return _attach(table, default_of(table), "DEFAULT")


def _attach(table: str, name: str, bounds: str) -> list[str]:
    # Made first and attached then: PARTITION OF would lock the whole table against writers.
    return [
        f'CREATE TABLE "{name}" (LIKE "{table}" INCLUDING ALL)',
        f'ALTER TABLE "{table}" ATTACH PARTITION "{name}" {bounds}',
        *guard_truncate(name),
    ]


def unguard(table: str) -> list[str]:
    """Undo ``guard_rows`` and ``guard_truncate``."""
    return [
        f'DROP TRIGGER {NO_CHANGE} ON "{table}"',
        f'DROP TRIGGER {NO_TRUNCATE} ON "{table}"',
        f'GRANT TRUNCATE ON "{table}" TO CURRENT_USER',
    ]
