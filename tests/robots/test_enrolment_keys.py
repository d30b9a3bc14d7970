"""Enrolment keys: making, changing, replacing and ending them."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed
from apps.events.models import Event
from apps.robots import rules, services
from apps.robots.models import EnrolmentKey
from apps.tenancy import services as tenancy
from tests import make

pytestmark = pytest.mark.django_db


def test_a_key_is_shown_once_and_stored_as_a_hash():
    key, text = make.enrolment_key_with_text()

    key.refresh_from_db()
    assert text.startswith("bvt_")
    assert text not in str(vars(key))
    assert EnrolmentKey.matching(text) == key


def test_a_key_keeps_what_was_asked_for_in_its_one_form(system):
    of = make.tenant()
    folder = tenancy.create_folder(of, actor=system, name="Invoices")

    key = make.enrolment_key(
        of, labels=["Linux", "gpu", "linux"], networks=["10.1.2.3/16", " fd00::/8 "], slots=4, folders=[folder]
    )

    assert (key.labels, key.networks, key.slots) == (["gpu", "linux"], ["10.1.0.0/16", "fd00::/8"], 4)
    assert list(key.folders.all()) == [folder]


def test_what_a_change_leaves_out_stays(system):
    key = make.enrolment_key(labels=["linux"], most_uses=3)

    services.update_enrolment_key(key, actor=system, slots=2)

    key.refresh_from_db()
    assert (key.slots, key.labels, key.most_uses) == (2, ["linux"], 3)


def test_a_limit_can_be_taken_away(system):
    key = make.enrolment_key(most_uses=3, expires_at=timezone.now() + timedelta(days=1), networks=["10.0.0.0/8"])

    services.update_enrolment_key(key, actor=system, most_uses=None, expires_at=None, networks=[])

    key.refresh_from_db()
    assert (key.most_uses, key.expires_at, key.networks, key.uses_left) == (None, None, [], None)


def test_folders_that_one_may_not_see_stay(system):
    of = make.tenant()
    hidden = tenancy.create_folder(of, actor=system, name="Hidden")
    key = make.enrolment_key(of, folders=[hidden])
    person = Actor.person(make.user("robots.change_enrolmentkey", inside=of))

    services.update_enrolment_key(key, actor=person, folders=[])

    assert list(key.folders.all()) == [hidden]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"labels": ["two words"]}, "labels"),
        ({"slots": 0}, "slots"),
        ({"slots": 65}, "slots"),
        ({"networks": ["10.0.0.0/8", "everywhere"]}, "networks"),
        ({"most_uses": 0}, "most_uses"),
        ({"expires_at": timezone.now() - timedelta(days=1)}, "expires_at"),
    ],
)
def test_what_cannot_be_is_refused_by_name(wrong, field):
    with pytest.raises(Invalid) as refusal:
        make.enrolment_key(**wrong)

    assert [problem.field for problem in refusal.value.problems] == [field]


def test_a_folder_is_added_only_by_who_may_change_keys_in_it(system):
    of = make.tenant()
    mine, theirs = (tenancy.create_folder(of, actor=system, name=name) for name in ("Mine", "Theirs"))
    key = make.enrolment_key(of, folders=[mine])
    somebody = Actor.person(make.user("robots.change_enrolmentkey", inside=mine))

    services.update_enrolment_key(key, actor=somebody, folders=[mine])
    with pytest.raises(NotAllowed, match="Theirs"):
        services.update_enrolment_key(key, actor=somebody, folders=[mine, theirs])

    assert list(key.folders.all()) == [mine]


def test_folders_of_another_tenant_are_refused():
    with pytest.raises(Invalid, match="its own tenant"):
        make.enrolment_key(folders=[make.folder()])


def test_fewer_uses_than_were_made_are_refused(system):
    key = make.enrolment_key(most_uses=5)
    EnrolmentKey.objects.filter(pk=key.pk).update(uses=3)

    with pytest.raises(Invalid, match="made 3 already"):
        services.update_enrolment_key(key, actor=system, most_uses=2)


def test_a_field_that_there_is_not_is_a_mistake_of_the_caller(system):
    with pytest.raises(TypeError, match="uses"):
        services.update_enrolment_key(make.enrolment_key(), actor=system, uses=0)


def test_names_are_one_per_tenant_until_the_key_is_revoked(system):
    key = make.enrolment_key(name="fleet")

    with pytest.raises(Conflict) as refusal:
        make.enrolment_key(key.tenant, name="FLEET")
    services.revoke_enrolment_key(key, actor=system)

    assert refusal.value.code == "name_taken"
    assert make.enrolment_key(key.tenant, name="fleet").pk != key.pk


def test_a_replaced_key_has_another_text_and_all_else_stays(system):
    key, old = make.enrolment_key_with_text(most_uses=5)
    EnrolmentKey.objects.filter(pk=key.pk).update(uses=3)

    new = services.replace_enrolment_key(key, actor=system)

    assert EnrolmentKey.matching(old) is None
    assert (EnrolmentKey.matching(new).pk, EnrolmentKey.matching(new).uses_left) == (key.pk, 2)


@pytest.mark.parametrize(
    "operation",
    [services.replace_enrolment_key, services.revoke_enrolment_key, services.update_enrolment_key],
)
def test_a_revoked_key_has_ended_for_good(system, operation):
    key = make.enrolment_key()
    services.revoke_enrolment_key(key, actor=system)

    with pytest.raises(Conflict) as refusal:
        operation(key, actor=system)

    assert refusal.value.code == "key_revoked"


def test_a_key_says_whether_it_works():
    live, used_up, expired, revoked = (make.enrolment_key(most_uses=1) for _ in range(4))
    EnrolmentKey.objects.filter(pk=used_up.pk).update(uses=1)
    EnrolmentKey.objects.filter(pk=expired.pk).update(expires_at=Now() - timedelta(seconds=1))
    EnrolmentKey.objects.filter(pk=revoked.pk).update(revoked_at=Now())

    states = [EnrolmentKey.objects.get(pk=key.pk).status for key in (live, used_up, expired, revoked)]

    assert states == ["live", "used_up", "expired", "revoked"]


def test_what_is_done_to_a_key_is_written_down_without_its_text(system):
    key, text = make.enrolment_key_with_text()
    services.update_enrolment_key(key, actor=system, description="d")
    new = services.replace_enrolment_key(key, actor=system)
    services.revoke_enrolment_key(key, actor=system, reason="leaked")

    entries = AuditEntry.objects.about(key)
    kinds = {"enrolment_key.created", "enrolment_key.updated", "enrolment_key.replaced", "enrolment_key.revoked"}
    written = str(list(entries.values())) + str(list(Event.objects.values()))
    assert set(entries.values_list("action", flat=True)) == kinds
    assert set(Event.objects.filter(subject_id=key.pk).values_list("type", flat=True)) == kinds
    assert text[15:] not in written
    assert new[15:] not in written


@pytest.mark.parametrize(
    "operation",
    [
        lambda key, actor: services.create_enrolment_key(key.tenant, actor=actor, name="other"),
        lambda key, actor: services.update_enrolment_key(key, actor=actor, slots=2),
        lambda key, actor: services.replace_enrolment_key(key, actor=actor),
        lambda key, actor: services.revoke_enrolment_key(key, actor=actor),
    ],
)
def test_who_may_only_look_may_not(operation):
    key = make.enrolment_key()
    viewer = Actor.person(make.user("robots.view_enrolmentkey", "robots.change_machine", inside=key.tenant))

    with pytest.raises(NotAllowed):
        operation(key, viewer)


@pytest.mark.parametrize(
    ("wanted", "taken", "free"),
    [
        ("host", [], "host"),
        ("host", ["HOST"], "host-2"),
        ("host", ["host", "host-2", "host-4"], "host-3"),
        ("x" * 100, ["x" * 100], "x" * 98 + "-2"),
    ],
)
def test_a_name_that_is_taken_gets_a_number(wanted, taken, free):
    assert rules.free_name(wanted, taken) == free


@pytest.mark.parametrize(
    ("address", "networks", "is_in"),
    [
        ("10.1.2.3", [], True),
        (None, [], True),
        ("10.1.2.3", ["10.1.0.0/16"], True),
        ("10.2.2.3", ["10.1.0.0/16", "10.2.0.0/16"], True),
        ("10.3.2.3", ["10.1.0.0/16"], False),
        ("fd00::1", ["fd00::/8"], True),
        ("fd00::1", ["10.0.0.0/8"], False),
        (None, ["10.0.0.0/8"], False),
    ],
)
def test_networks_say_who_may_come(address, networks, is_in):
    assert rules.is_in_networks(address, networks) is is_in
