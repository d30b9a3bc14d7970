"""The pages of enrolment keys."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from apps.robots.models import EnrolmentKey, Machine
from apps.tenancy.models import Folder
from tests import make
from tests.admin.visitors import list_of, new, page_of, superuser, text_of, with_permissions
from tests.robots.test_enrolling import enrol

pytestmark = pytest.mark.django_db


def used_up(key):
    EnrolmentKey.objects.filter(pk=key.pk).update(uses=3)


def expired(key):
    EnrolmentKey.objects.filter(pk=key.pk).update(expires_at=Now() - timedelta(seconds=1))


def revoked(key):
    EnrolmentKey.objects.filter(pk=key.pk).update(revoked_at=Now())


@pytest.mark.parametrize(
    ("prepare", "badge", "says"),
    [
        (lambda key: None, "Live", "3 of 3"),
        (used_up, "Used up", "Computers that are new to it are turned away"),
        (expired, "Expired", "it enrols nobody"),
        (revoked, "Revoked", "none: it has ended"),
    ],
)
def test_a_key_says_whether_it_works(prepare, badge, says):
    key = make.enrolment_key(most_uses=3)
    prepare(key)
    visitor = superuser()

    shown = text_of(visitor.open(key))

    assert badge in text_of(visitor.get(list_of(EnrolmentKey)))
    assert badge in shown
    assert says in shown


def test_a_key_and_its_machines_lead_to_each_other():
    key, text = make.enrolment_key_with_text(networks=["10.0.0.0/8"], labels=["gpu"])
    robot, _ = enrol(text)
    visitor = superuser()

    shown = text_of(visitor.open(key))

    assert page_of(robot.machine) in shown
    assert [word in shown for word in ("10.0.0.0/8", "gpu", key.shown_as)] == [True] * 3
    assert page_of(key) in text_of(visitor.open(robot.machine))


def test_machines_that_one_may_not_see_are_not_named():
    key, text = make.enrolment_key_with_text()
    robot, _ = enrol(text)

    shown = text_of(with_permissions("robots.view_enrolmentkey").open(key))

    assert page_of(robot.machine) not in shown


def test_machines_are_narrowed_to_those_of_a_key():
    key, text = make.enrolment_key_with_text()
    robot, _ = enrol(text)
    other = make.machine(key.tenant)

    listed = text_of(superuser().get(list_of(Machine), made_by__id__exact=str(key.pk)))

    assert page_of(robot.machine) in listed
    assert page_of(other) not in listed


def test_a_limit_is_typed_and_taken_away():
    key, visitor = make.enrolment_key(), superuser()

    visitor.do(key, "edit", name="fleet", slots="2", most_uses="5", networks="10.1.2.3/16, fd00::/8")
    key.refresh_from_db()
    limited = (key.most_uses, key.networks)
    visitor.do(key, "edit", name="fleet", slots="2", most_uses="", networks="")
    key.refresh_from_db()

    assert limited == (5, ["10.1.0.0/16", "fd00::/8"])
    assert (key.most_uses, key.networks) == (None, [])


def test_what_cannot_be_is_said_at_its_field():
    response = superuser().post(
        new(EnrolmentKey), {"name": "fleet", "tenant": make.tenant().pk, "slots": 1, "networks": "everywhere"}
    )

    assert "networks" in response.context["form"].errors


def test_a_key_s_robots_work_for_the_folders_that_are_ticked():
    key, visitor = make.enrolment_key(), superuser()
    folder = Folder.objects.get(tenant=key.tenant)

    visitor.do(key, "edit", name="fleet", slots="1", folders=[folder.pk])

    assert list(key.folders.all()) == [folder]
