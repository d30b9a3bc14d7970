"""Seals over the trail, and every way of tampering with it."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from apps.audit import services
from apps.audit.models import AuditEntry, AuditSeal
from apps.audit.services import NotSealedYet
from apps.audit.services.sealing import hash_of
from apps.core import ids, streams
from apps.core.actors import Actor
from tests.streams_fixtures import tampering

SWEEP = Actor.system("sweep")
TENANT, OTHER = uuid4(), uuid4()

pytestmark = pytest.mark.django_db(transaction=True)


def write(count=1, *, tenant_id=TENANT, **fields):
    """Write entries, each in a transaction of its own, as services do."""
    written = []
    for _ in range(count):
        with transaction.atomic():
            written.append(services.record(SWEEP, "thing.made", None, tenant_id=tenant_id, **fields))
    return written


@contextmanager
def behind_our_back():
    with tampering("audit_auditentry"), tampering("audit_auditseal"):
        yield


def flaws(**options):
    return [(flaw.kind, flaw.seal, flaw.entry_id) for flaw in services.verify_seals(**options).flaws]


def old_entry(moment):
    """An entry from long ago, in the partition of its time."""
    with transaction.atomic():
        entry = AuditEntry.objects.create(
            id=ids.first_id_at(moment), tenant_id=TENANT, actor_kind="system", actor_id="x", actor_name="x", action="x"
        )
    streams.ensure_partitions(AuditEntry)
    return entry


class TestSealing:
    def test_each_tenant_has_a_chain_of_its_own(self):
        write(3)
        write(2, tenant_id=OTHER)
        write(1, tenant_id=None)

        assert services.seal_entries() == 6

        seals = AuditSeal.objects.values_list("tenant_id", "number", "count")
        assert set(seals) == {(TENANT, 1, 3), (OTHER, 1, 2), (None, 1, 1)}

    def test_what_is_sealed_is_not_sealed_again(self):
        write(3)
        services.seal_entries()

        assert services.seal_entries() == 0
        assert AuditSeal.objects.count() == 1

    def test_a_seal_carries_the_hash_of_the_one_before(self):
        write()
        services.seal_entries()
        write()
        services.seal_entries()

        first, second = AuditSeal.objects.order_by("number")
        assert bytes(second.previous) == bytes(first.hash)

    def test_many_entries_are_sealed_batch_by_batch(self):
        write(7)

        assert services.seal_entries(batch=3) == 7

        assert list(AuditSeal.objects.order_by("number").values_list("count", flat=True)) == [3, 3, 1]
        assert services.verify_seals().is_whole

    def test_an_entry_beside_a_transaction_that_still_runs_waits(self, new_session):
        slow = new_session()
        slow.begin()
        write()

        assert services.seal_entries() == 0
        assert services.oldest_unsealed_at() is not None
        slow.run(services.record, SWEEP, "late.made", None, tenant_id=TENANT)
        slow.commit()

        assert services.seal_entries() == 2
        assert services.oldest_unsealed_at() is None
        assert services.verify_seals().is_whole

    def test_two_sealers_at_once_do_no_harm(self, new_session):
        write(40)
        first, second = new_session(), new_session()

        answers = [one.start(services.seal_entries, batch=2) for one in (first, second)]
        sealed = sum(answer.result(timeout=30) for answer in answers)
        sealed += services.seal_entries()

        assert sealed == 40
        verdict = services.verify_seals()
        assert (verdict.is_whole, verdict.entries) == (True, 40)

    def test_a_sealer_that_finds_another_at_work_leaves_it_alone(self, new_session):
        write()
        other = new_session()
        other.begin()

        def take_turn():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [0x6276_5345_414C])

        other.run(take_turn)

        assert services.seal_entries() == 0


class TestAWholeTrail:
    def test_it_is_found_whole(self):
        write(5, after={"text": "é", "number": 1.5, "list": [1, None, True]}, reason="because")
        write(3, tenant_id=OTHER)
        services.seal_entries(batch=2)
        write(2)

        verdict = services.verify_seals(witnesses=services.heads())

        assert (verdict.is_whole, verdict.entries) == (True, 8)

    def test_an_empty_one_is_whole(self):
        assert services.verify_seals().is_whole

    def test_heads_name_the_newest_seal_of_each_chain(self):
        write()
        services.seal_entries()
        write()
        write(tenant_id=OTHER)
        services.seal_entries()

        assert {(head.tenant_id, head.number) for head in services.heads()} == {(TENANT, 2), (OTHER, 1)}


class TestTampering:
    def test_an_edited_entry_is_named(self):
        entries = write(5)
        services.seal_entries()

        with behind_our_back():
            AuditEntry.objects.filter(pk=entries[2].pk).update(actor_name="somebody else")

        assert flaws() == [("edited", 1, entries[2].pk)]

    def test_a_deleted_entry_is_named(self):
        entries = write(5)
        services.seal_entries()

        with behind_our_back():
            AuditEntry.objects.filter(pk=entries[2].pk).delete()

        assert flaws() == [("deleted", 1, entries[2].pk)]

    def test_an_inserted_entry_is_named(self):
        entries = write(4)
        services.seal_entries(batch=2)

        forged = AuditEntry.objects.create(
            tenant_id=TENANT, xid=entries[0].xid, seq=0, actor_kind="person", actor_id="1", actor_name="x", action="x.y"
        )

        assert flaws() == [("inserted", 1, forged.pk)]

    def test_an_entry_forged_for_a_tenant_without_a_chain_is_named(self):
        entries = write(1)
        services.seal_entries()

        forged = AuditEntry.objects.create(
            tenant_id=OTHER, xid=entries[0].xid, seq=0, actor_kind="person", actor_id="1", actor_name="x", action="x.y"
        )

        assert flaws() == [("inserted", 0, forged.pk)]

    def test_entries_that_changed_their_places_are_named(self):
        first, second = write(2)
        services.seal_entries()

        with behind_our_back():
            AuditEntry.objects.filter(pk=first.pk).update(xid=second.xid)
            AuditEntry.objects.filter(pk=second.pk).update(xid=first.xid)

        assert flaws() == [("moved", 1, second.pk)]

    def test_entries_that_changed_their_numbers_are_named(self):
        first, second = write(2)
        services.seal_entries()

        with behind_our_back():
            AuditEntry.objects.filter(pk=first.pk).update(seq=second.seq)
            AuditEntry.objects.filter(pk=second.pk).update(seq=first.seq)

        assert flaws() == [("edited", 1, first.pk), ("edited", 1, second.pk)]

    def test_the_first_of_several_is_named_first(self):
        entries = write(6)
        services.seal_entries(batch=2)

        with behind_our_back():
            AuditEntry.objects.filter(pk=entries[4].pk).delete()
            AuditEntry.objects.filter(pk=entries[1].pk).update(action="thing.unmade")

        assert flaws() == [("edited", 1, entries[1].pk), ("deleted", 3, entries[4].pk)]

    def test_a_tail_cut_off_is_named_by_its_seal(self):
        entries = write(3)
        services.seal_entries()

        with behind_our_back():
            AuditEntry.objects.filter(pk__in=[entries[1].pk, entries[2].pk]).delete()

        assert flaws() == [("deleted", 1, entries[1].pk), ("deleted", 1, entries[2].pk)]

    def test_a_seal_taken_out_of_the_chain_is_named(self):
        entries = write(3)
        services.seal_entries(batch=1)

        with behind_our_back():
            AuditSeal.objects.filter(number=2).delete()

        assert flaws()[:2] == [("missing", 2, None), ("changed", 3, None)]
        assert ("inserted", 3, entries[1].pk) in flaws()

    def test_the_newest_seal_taken_away_is_known_to_a_witness(self):
        write(2)
        services.seal_entries(batch=1)
        witnesses = services.heads()

        with behind_our_back():
            AuditSeal.objects.filter(number=2).delete()

        assert flaws(witnesses=witnesses) == [("missing", 2, None)]

    def test_a_whole_chain_taken_away_with_its_entries_is_known_to_a_witness(self):
        write(2)
        services.seal_entries()
        witnesses = services.heads()

        with behind_our_back():
            AuditEntry.objects.all().delete()
            AuditSeal.objects.all().delete()

        assert flaws(witnesses=witnesses) == [("missing", 1, None)]

    def test_a_changed_seal_is_named(self):
        write(2)
        services.seal_entries()

        with behind_our_back():
            AuditSeal.objects.update(created_at=datetime(2020, 1, 1, tzinfo=UTC))

        assert flaws() == [("changed", 1, None)]

    def test_a_seal_written_anew_is_not_signed_and_breaks_the_next_one(self):
        write(2)
        services.seal_entries(batch=1)
        seal = AuditSeal.objects.get(number=1)
        seal.created_at = datetime(2020, 1, 1, tzinfo=UTC)

        with behind_our_back():
            AuditSeal.objects.filter(pk=seal.pk).update(created_at=seal.created_at, hash=hash_of(seal))

        assert flaws() == [("changed", 1, None), ("changed", 2, None)]

    def test_a_chain_written_anew_is_known_to_a_witness(self):
        entries = write(2)
        services.seal_entries()
        witnesses = services.heads()

        with behind_our_back():
            AuditEntry.objects.filter(pk=entries[0].pk).update(action="thing.unmade")
            AuditSeal.objects.all().delete()
        services.seal_entries()

        assert services.verify_seals().is_whole
        assert flaws(witnesses=witnesses) == [("changed", 1, None)]

    def test_a_flaw_says_what_it_is(self):
        entries = write(1)
        services.seal_entries()

        with behind_our_back():
            AuditEntry.objects.update(action="thing.unmade")

        (flaw,) = services.verify_seals().flaws
        assert str(flaw) == f"entry {entries[0].pk} is edited (seal 1 of {TENANT})"


class TestRetention:
    def test_entries_are_dropped_with_their_partition_and_the_seals_say_so(self):
        old, young = old_entry(datetime(2001, 5, 5, tzinfo=UTC)), write(2)

        dropped = services.drop_entries_before(datetime(2001, 6, 10, tzinfo=UTC), actor=SWEEP)

        assert dropped == ["audit_auditentry_p200105"]
        assert not AuditEntry.objects.filter(pk=old.pk).exists()
        assert AuditEntry.objects.filter(pk__in=[entry.pk for entry in young]).count() == 2
        seal = AuditSeal.objects.get(tenant_id=TENANT, dropped_before__isnull=False)
        assert (seal.dropped_before, seal.count) == (datetime(2001, 6, 1, tzinfo=UTC), 0)

    def test_the_rest_is_still_found_whole(self):
        old_entry(datetime(2001, 5, 5, tzinfo=UTC))
        write(2)
        services.drop_entries_before(datetime(2001, 6, 10, tzinfo=UTC), actor=SWEEP)
        write(1)
        services.seal_entries()

        assert services.verify_seals(witnesses=services.heads()).is_whole

    def test_it_is_in_the_trail_itself(self):
        old_entry(datetime(2001, 5, 5, tzinfo=UTC))

        services.drop_entries_before(datetime(2001, 6, 10, tzinfo=UTC), actor=SWEEP)

        entry = AuditEntry.objects.get(action="audit.dropped")
        assert entry.after["partitions"] == ["audit_auditentry_p200105"]

    def test_it_excuses_no_younger_entry(self):
        old_entry(datetime(2001, 5, 5, tzinfo=UTC))
        (young,) = write(1)
        services.drop_entries_before(datetime(2001, 6, 10, tzinfo=UTC), actor=SWEEP)

        with behind_our_back():
            AuditEntry.objects.filter(pk=young.pk).delete()

        assert flaws() == [("deleted", 1, young.pk)]

    def test_nothing_old_enough_means_nothing_done(self):
        write(1)

        assert services.drop_entries_before(datetime(2001, 6, 10, tzinfo=UTC), actor=SWEEP) == []
        assert not AuditSeal.objects.exists()

    def test_what_cannot_be_sealed_yet_is_not_dropped(self, new_session):
        slow = new_session()
        slow.begin()
        old = old_entry(datetime(2001, 5, 5, tzinfo=UTC))

        with pytest.raises(NotSealedYet):
            services.drop_entries_before(datetime(2001, 6, 10, tzinfo=UTC), actor=SWEEP)

        assert AuditEntry.objects.filter(pk=old.pk).exists()


def test_a_strangers_program_can_follow_the_chain():
    """The published description alone is enough to recompute a link and a hash."""
    (entry,) = write(1, after={"b": 1, "a": "é"}, reason="why")
    services.seal_entries()

    text = {
        "id": str(entry.pk),
        "seq": entry.seq,
        "ts": entry.ts.astimezone(UTC).isoformat(timespec="microseconds"),
        "tenant_id": str(TENANT),
        "actor_kind": "system",
        "actor_id": "sweep",
        "actor_name": "sweep",
        "action": "thing.made",
        "after": {"b": 1, "a": "é"},
        "reason": "why",
        "outcome": "done",
    }
    written = json.dumps(text, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    link = hashlib.sha256(bytes(32) + written).digest()
    seal = AuditSeal.objects.get()
    assert bytes(seal.members) == UUID(str(entry.pk)).bytes + link
    assert bytes(seal.root) == link
