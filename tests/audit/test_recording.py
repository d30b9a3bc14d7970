"""Writing the trail: what an entry says, and what it never says."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from apps.audit import services
from apps.audit.models import AuditEntry
from apps.core import context, tokens
from apps.core.actors import Actor
from apps.core.errors import NotAllowed
from apps.core.streams import Cursor

SWEEP = Actor.system("sweep")
ANNA = Actor("person", str(uuid4()), "anna")


class Target(SimpleNamespace):
    def __str__(self):
        return "thing of many uses"


def thing(**fields):
    """A row of no table of ours: an entry only names it."""
    row = {"pk": uuid4(), "tenant_id": uuid4(), "_meta": SimpleNamespace(model_name="thing")}
    return Target(**row | fields)


@pytest.mark.django_db
class TestAnEntry:
    def test_it_says_who_did_what_to_what(self):
        target = thing()

        services.record(ANNA, "thing.renamed", target, before={"name": "a"}, after={"name": "b"}, reason="asked to")

        entry = AuditEntry.objects.get()
        assert (entry.actor_kind, entry.actor_id, entry.actor_name) == ("person", ANNA.id, "anna")
        assert (entry.action, entry.outcome, entry.reason) == ("thing.renamed", "done", "asked to")
        assert (entry.target_kind, entry.target_id, entry.target_name) == ("thing", target.pk, "thing of many uses")
        assert (entry.before, entry.after) == ({"name": "a"}, {"name": "b"})

    def test_it_says_from_where(self):
        with context.handling(context.RequestFacts("req-1", "2001:db8::1", "curl/8")):
            services.record(ANNA, "thing.made", thing())

        entry = AuditEntry.objects.get()
        assert (entry.request_id, entry.address, entry.agent) == ("req-1", "2001:db8::1", "curl/8")

    def test_outside_a_request_it_has_no_address(self):
        services.record(SWEEP, "thing.made", thing())

        entry = AuditEntry.objects.get()
        assert (entry.request_id, entry.address, entry.agent) == ("", None, "")

    def test_it_belongs_to_the_tenant_of_its_target(self):
        target = thing()

        entry = services.record(ANNA, "thing.made", target)

        assert entry.tenant_id == target.tenant_id

    def test_another_tenant_may_be_named(self):
        tenant = uuid4()

        entry = services.record(ANNA, "role.assigned", thing(tenant_id=None), tenant_id=tenant)

        assert entry.tenant_id == tenant

    def test_without_a_target_it_belongs_to_the_tenant_of_the_actor(self):
        robot = Actor.robot(uuid4(), "r2", uuid4())

        entry = services.record(robot, "robot.enrolled", None)

        assert (entry.tenant_id, entry.target_kind, entry.target_id) == (robot.tenant_id, "", None)

    def test_it_says_on_whose_behalf(self):
        entry = services.record(ANNA, "thing.made", thing(), on_behalf_of="bert")

        assert entry.on_behalf_of == "bert"

    def test_the_history_of_one_row_is_its_own_newest_first(self):
        target = thing(_meta=AuditEntry._meta)
        services.record(ANNA, "thing.made", target)
        services.record(ANNA, "other.made", thing())
        services.record(ANNA, "thing.renamed", target)

        assert [entry.action for entry in AuditEntry.objects.about(target)] == ["thing.renamed", "thing.made"]


@pytest.mark.django_db
class TestWhatIsHidden:
    def test_a_secret_is_shown_as_a_hash_that_tells_only_whether_it_changed(self):
        before, after = {"password": "old", "pin": 4711}, {"password": "new", "pin": 4711}

        entry = services.record(ANNA, "user.changed", thing(), before=before, after=after)

        assert entry.before["password"].startswith("hidden:")
        assert entry.before["password"] != entry.after["password"]
        assert entry.before["pin"] == entry.after["pin"]
        assert "old" not in str(entry.before)
        assert "4711" not in str(entry.before)

    @pytest.mark.parametrize(
        "name",
        [
            "password",
            "clientSecret",
            "api_key",
            "apiKey",
            "private-key",
            "access_token",
            "Authorization",
            "machine_key",
            "credential",
            "cookie",
            "otp",
            "user_pin",
            "db_pwd",
            "recovery_codes",
        ],
    )
    def test_names_that_tell_of_a_secret_are_known(self, name):
        entry = services.record(ANNA, "thing.changed", thing(), after={"settings": [{name: "canary"}]})

        assert "canary" not in str(entry.after)

    @pytest.mark.parametrize("name", ["token_expires_at", "secret_name", "credential_id", "pinned", "keyboard"])
    def test_what_is_only_about_a_secret_is_shown(self, name):
        entry = services.record(ANNA, "thing.changed", thing(), after={name: "plain"})

        assert entry.after == {name: "plain"}

    def test_whether_there_is_a_secret_may_be_shown(self):
        entry = services.record(ANNA, "thing.changed", thing(), before={"password": None}, after={"has_token": True})

        assert (entry.before, entry.after) == ({"password": None}, {"has_token": True})

    def test_our_tokens_are_masked_wherever_they_stand(self):
        token = str(tokens.generate("r"))
        after = {"note": [f"see {token}"], token: 1}
        with context.handling(context.RequestFacts("req", None, f"agent {token}")):
            services.record(ANNA, "thing.made", thing(), after=after, reason=f"by {token}")

        entry = AuditEntry.objects.values().get()
        assert token not in str(entry)
        assert entry["reason"] == f"by {token[:4]}{'*' * (len(token) - 4)}"


@pytest.mark.django_db
class TestWhatCannotBeStored:
    def test_odd_characters_are_replaced_rather_than_refused(self):
        entry = services.record(ANNA, "thing.made", thing(), after={"a\0b": "\0 \ud800"}, reason="x\0y")

        entry.refresh_from_db()
        assert (entry.after, entry.reason) == ({"a�b": "� ?"}, "x�y")

    def test_values_that_json_does_not_know_become_text(self):
        moment = datetime(2026, 11, 21, 12, tzinfo=UTC)
        values = {"at": moment, "much": Decimal("1.50"), "id": ANNA.id, "none": float("nan"), "some": {"x"}, "n": 1.5}

        entry = services.record(ANNA, "thing.made", thing(), after=values)

        entry.refresh_from_db()
        assert entry.after == {
            "at": "2026-11-21T12:00:00+00:00",
            "much": "1.50",
            "id": ANNA.id,
            "none": "nan",
            "some": ["x"],
            "n": 1.5,
        }

    def test_long_texts_are_cut(self):
        entry = services.record(ANNA, "thing.made", thing(), reason="x" * 5000, after={"a": "y" * 5000})

        assert (len(entry.reason), len(entry.after["a"])) == (2000, 2000)

    def test_an_entry_that_cannot_be_written_refuses_the_act(self):
        with pytest.raises(IntegrityError), transaction.atomic():
            services.record(Actor("ghost", "1", "boo"), "thing.made", thing())


def test_changed_tells_both_sides_of_what_differs():
    before, after = {"name": "a", "same": 1, "gone": 2}, {"name": "b", "same": 1, "new": 3}

    assert services.changed(before, after) == ({"name": "a", "gone": 2}, {"name": "b", "new": 3})


@pytest.mark.django_db(transaction=True)
class TestRefusals:
    def refusal(self):
        return NotAllowed("anna may not rename this.", permission="things.change_thing", target=thing(), actor=ANNA)

    def test_an_entry_outside_a_transaction_is_refused(self):
        with pytest.raises(TransactionManagementError):
            services.record(ANNA, "thing.made", thing())

    def test_a_refusal_is_written_after_the_act_was_rolled_back(self):
        refusal = self.refusal()

        @transaction.atomic
        def rename():
            services.record(ANNA, "thing.renamed", refusal.target)
            raise refusal

        with pytest.raises(NotAllowed):
            rename()
        services.record_refusal(refusal, actor=ANNA)

        entry = AuditEntry.objects.get()
        assert (entry.action, entry.outcome) == ("permission.refused", "refused")
        assert (entry.permission, entry.reason) == ("things.change_thing", "anna may not rename this.")
        assert (entry.target_id, entry.tenant_id) == (refusal.target.pk, refusal.target.tenant_id)

    def test_within_a_transaction_that_could_take_it_back_it_is_refused(self):
        with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
            services.record_refusal(self.refusal(), actor=ANNA)

    def test_a_refusal_of_an_act_without_a_target_belongs_to_the_actors_tenant(self):
        robot = Actor.robot(uuid4(), "r2", uuid4())

        entry = services.record_refusal(NotAllowed("no"), actor=robot)

        assert (entry.tenant_id, entry.target_id) == (robot.tenant_id, None)

    def test_the_time_is_the_databases(self):
        entry = services.record_refusal(NotAllowed("no"), actor=SWEEP)

        assert abs((entry.ts - timezone.now()).total_seconds()) < 60

    def test_the_trail_is_read_in_the_order_of_the_streams(self):
        for _ in range(3):
            services.record_refusal(NotAllowed("no"), actor=SWEEP)

        entries = list(AuditEntry.objects.after(Cursor(), below=2**62))

        assert entries == sorted(entries, key=lambda entry: (entry.xid, entry.seq))
