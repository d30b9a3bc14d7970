"""Writing a chain out, so that a stranger's program can check it without us (``bin/verify-audit``).

A bundle is lines of canonical JSON: ``{"bundle": …}`` with its format; for each seal ``{"seal": …}`` and, behind it,
an ``{"entry": …}`` for each entry that lies where it seals, in order; last ``{"end": …}``, a signed head.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from apps.audit.models import AuditEntry, AuditSeal
from apps.audit.rules import canonical
from apps.audit.services.heads import Head, signed_head
from apps.audit.services.sealing import contents_of, now, position, text_of
from apps.core import streams

FORMAT = 1
_CHUNK = 1000


def bundle(tenant_id: UUID | None) -> Iterator[bytes]:
    """Yield the lines of the chain of a tenant, or with ``None`` of the installation, as far as it is sealed.

    What is sealed while they are read is left out; memory does not grow with the length of the chain.
    """
    end, at, seals = position(), now(), AuditSeal.objects.filter(tenant_id=tenant_id).order_by("number")
    newest = seals.last()
    # Asked for beforehand: a partition that is dropped meanwhile is not missing from what was sealed by then.
    dropped = seals.exclude(dropped_before=None).order_by("-dropped_before").first()
    head = {"format": FORMAT, "tenant_id": tenant_id, "at": at, "seals": newest.number if newest else 0}
    yield _line("bundle", head | {"dropped_before": dropped.dropped_before if dropped else None})
    place, last = streams.Cursor(), Head(tenant_id, 0, bytes(32).hex())
    known = seals.filter(number__lte=newest.number) if newest else seals.none()
    for seal in known.iterator(chunk_size=50):
        signature = bytes(seal.signature).hex() if seal.signature else ""
        said = contents_of(seal) | {"hash": bytes(seal.hash).hex(), "key": seal.key, "signature": signature}
        yield _line("seal", said)
        until = place.at(seal.last_xid, seal.last_seq)
        yield from _entries(tenant_id, place, until)
        place, last = max(place, until), Head(tenant_id, seal.number, bytes(seal.hash).hex())
    yield from _entries(tenant_id, place, max(place, end))
    yield _line("end", signed_head(last, at))


def _entries(tenant_id: UUID | None, place: streams.Cursor, until: streams.Cursor) -> Iterator[bytes]:
    """Yield what lies between two places: also what no seal knows, for that is what is to be found."""
    while True:
        page = list(AuditEntry.objects.filter(tenant_id=tenant_id).up_to(until).after(place, below=2**63 - 1)[:_CHUNK])
        for entry in page:
            yield b'{"entry":%s}\n' % text_of(entry)
        if len(page) < _CHUNK:
            return
        place = place.at(page[-1].xid, page[-1].seq)


def _line(kind: str, said: dict[str, Any]) -> bytes:
    return canonical({kind: json.loads(canonical(said))}) + b"\n"
