"""The SQL with which a statement of somebody else's writes its events in the same round trip."""

from __future__ import annotations

import re

#: A new UUIDv7 by the database's clock; servers before 18 have no function for it.
NEW_ID = (
    "encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing substring(int8send("
    "floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6), 52, 1), 53, 1), 'hex')::uuid"
)
COLUMNS = "id, type, tenant_id, folder_id, subject_kind, subject_id, data, actor_kind, actor_id"

_NAME = re.compile(r"[a-z][a-z0-9_.]*")


def insert_sql(
    event_type: str,
    *,
    kind: str,
    source: str,
    subject: str = "id",
    tenant: str = "tenant_id",
    folder: str = "folder_id",
    data: str = "'{}'::jsonb",
    actor_kind: str = "''",
    actor_id: str = "''",
) -> str:
    """Return ``INSERT … SELECT`` that writes one event for each row of ``source``, without parameters.

    ``source`` is a table expression, most often the name of the CTE whose ``RETURNING`` tells which rows changed::

        WITH moved AS (UPDATE jobs_job … RETURNING id, tenant_id, folder_id, number),
             told AS ({events.insert_sql("job.started", kind="job", source="moved",
                                         data="jsonb_build_object('number', moved.number)")})
        SELECT * FROM moved

    All but ``event_type`` and ``kind``, the subject's model name, are SQL expressions over ``source``. They are part
    of our own text: never pass anything that came from outside; for that, put a parameter into the expression.
    """
    for name in (event_type, kind):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot be part of a statement.")
    return (
        f"INSERT INTO events_event ({COLUMNS}) SELECT {NEW_ID}, '{event_type}', {tenant}, {folder}, '{kind}', "
        f"{subject}, {data}, {actor_kind}, {actor_id} FROM {source}"
    )
