"""Robots that enrol with a key which serves many machines."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from apps.audit.models import AuditEntry
from apps.core import tokens
from apps.core.errors import Conflict, Invalid, NotAllowed, NotSignedIn
from apps.robots import services
from apps.robots.models import EnrolmentKey, Machine, Robot, RobotToken
from apps.tenancy import services as tenancy
from tests import make

pytestmark = pytest.mark.django_db


def enrol(text, host="host-1", name="robot-1", *, address="10.1.2.3", machine_name="", is_ephemeral=False, **told):
    facts = services.Host(signature=f"signature of {host}", address=address, name=machine_name or host, **told)
    return services.enrol_robot(text, actor=make.SYSTEM, host=facts, name=name, is_ephemeral=is_ephemeral)


def test_a_host_that_is_new_becomes_a_machine_as_the_key_says(system):
    of = make.tenant()
    folder = tenancy.create_folder(of, actor=system, name="Invoices")
    key, text = make.enrolment_key_with_text(of, labels=["linux"], slots=3, folders=[folder])

    robot, token = enrol(text, info={"os": "Debian"})

    machine = robot.machine
    machine.refresh_from_db()
    assert (machine.name, machine.labels, machine.made_by, machine.info) == ("host-1", ["linux"], key, {"os": "Debian"})
    assert (machine.is_bound, machine.last_seen_at is not None) == (True, True)
    assert (robot.name, robot.slots, list(robot.folders.all())) == ("robot-1", 3, [folder])
    assert RobotToken.matching(token).robot == robot


def test_the_same_again_gives_the_same_and_costs_nothing():
    key, text = make.enrolment_key_with_text(most_uses=1)

    first, again = enrol(text), enrol(text)

    key.refresh_from_db()
    assert first == again
    assert (key.uses, Machine.objects.count(), RobotToken.objects.count()) == (1, 1, 1)


def test_a_second_robot_of_a_host_costs_nothing():
    _, text = make.enrolment_key_with_text(most_uses=1)

    robots = [enrol(text, name=name)[0] for name in ("a", "b")]

    assert len({robot.machine_id for robot in robots}) == 1


def test_a_machine_takes_no_endless_number_of_robots(monkeypatch):
    monkeypatch.setattr("apps.robots.services._making.MOST_ROBOTS_ON_MACHINE", 2)
    _, text = make.enrolment_key_with_text()
    enrolled = [enrol(text, name=name) for name in ("a", "b")]

    with pytest.raises(services.TooManyRobots, match="no more may enrol there"):
        enrol(text, name="c")

    assert [enrol(text, name=name) for name in ("a", "b")] == enrolled
    assert enrol(text, host="host-2", name="c")[0].name == "c"


def test_a_token_cannot_be_worked_out_from_the_key_and_the_robot_s_id():
    _, text = make.enrolment_key_with_text()

    robot, token = enrol(text)

    assert str(tokens.derive(RobotToken.KIND, text, f"robot:{robot.pk}:{robot.token_generation}")) != token


def test_each_host_is_a_machine_of_its_own_whatever_it_is_called():
    _, text = make.enrolment_key_with_text()

    names = [enrol(text, host, name=host, machine_name="Worker")[0].machine.name for host in ("a", "b", "c")]

    assert names == ["Worker", "Worker-2", "Worker-3"]


def test_the_name_of_a_machine_made_by_hand_stays_its_own():
    of = make.tenant()
    make.machine(of, name="HOST-1")
    _, text = make.enrolment_key_with_text(of)

    robot, _ = enrol(text)

    assert robot.machine.name == "host-1-2"


def test_without_a_name_a_machine_is_called_as_its_robot():
    _, text = make.enrolment_key_with_text()
    host = services.Host(signature="s", address=None)

    robot, _ = services.enrol_robot(text, actor=make.SYSTEM, host=host, name="invoices")

    assert robot.machine.name == "invoices"


def test_a_robot_works_for_the_default_folder_where_the_key_names_none_that_is_left(system):
    of = make.tenant()
    folder = tenancy.create_folder(of, actor=system, name="Gone")
    _, text = make.enrolment_key_with_text(of, folders=[folder])
    tenancy.delete_folder(folder, actor=system)

    robot, _ = enrol(text)

    assert list(robot.folders.all()) == [make.folder(of)]


@pytest.mark.parametrize("said", [True, False])
def test_a_robot_that_comes_for_one_job_is_marked(said):
    _, text = make.enrolment_key_with_text()
    enrol(text, is_ephemeral=not said)

    enrol(text, is_ephemeral=said)

    assert Robot.objects.get().is_ephemeral is said


def test_a_key_that_made_all_it_may_takes_no_new_host_but_knows_the_old_ones():
    _, text = make.enrolment_key_with_text(most_uses=1)
    first = enrol(text)

    with pytest.raises(services.EnrolmentUsedUp) as refusal:
        enrol(text, "host-2", name="other")

    assert refusal.value.code == "enrolment_used_up"
    assert "all 1 machines" in str(refusal.value)
    assert enrol(text) == first


def test_a_key_is_good_in_its_networks_only():
    key, text = make.enrolment_key_with_text(networks=["10.1.0.0/16"])
    robot, _ = enrol(text, address="10.1.9.9")

    with pytest.raises(NotAllowed) as refusal:
        enrol(text, address="10.2.0.1")

    assert (refusal.value.code, refusal.value.target) == ("enrolment_network", key)
    assert "10.2.0.1" in str(refusal.value)
    assert robot.machine.made_by == key


@pytest.mark.parametrize("ended", [{"expires_at": Now() - timedelta(seconds=1)}, {"revoked_at": Now()}])
def test_a_key_that_has_ended_enrols_nobody(ended):
    key, text = make.enrolment_key_with_text()
    EnrolmentKey.objects.filter(pk=key.pk).update(**ended)

    with pytest.raises(NotSignedIn) as refusal:
        enrol(text)

    assert refusal.value.code == "bad_machine_key"


def test_a_text_that_was_replaced_enrols_nobody_and_the_new_one_finds_the_machines(system):
    key, old = make.enrolment_key_with_text()
    robot, token = enrol(old)

    new = services.replace_enrolment_key(key, actor=system)
    again, _ = enrol(new)

    with pytest.raises(NotSignedIn):
        enrol(old)
    assert again == robot
    assert RobotToken.matching(token).robot == robot  # For the overlap of a rotation.


@pytest.mark.parametrize("text", ["bvt_x", "bvt_0000000000_" + "0" * 49])
def test_what_is_no_key_enrols_nobody(text):
    with pytest.raises(NotSignedIn) as refusal:
        enrol(text)

    assert refusal.value.code == "bad_machine_key"


def test_a_key_of_a_suspended_tenant_enrols_nobody(system):
    key, text = make.enrolment_key_with_text()
    tenancy.suspend_tenant(key.tenant, actor=system)

    with pytest.raises(NotAllowed) as refusal:
        enrol(text)

    assert refusal.value.code == "tenant_suspended"


def test_a_host_without_a_signature_is_refused():
    _, text = make.enrolment_key_with_text()

    with pytest.raises(Invalid, match="machine_signature"):
        services.enrol_robot(text, actor=make.SYSTEM, host=services.Host(" ", None, "host"), name="r")


def test_a_robot_s_name_on_another_machine_is_refused_and_costs_nothing():
    key, text = make.enrolment_key_with_text()
    enrol(text, "host-1", name="r")

    with pytest.raises(Invalid) as refusal:
        enrol(text, "host-2", name="r")

    key.refresh_from_db()
    assert (refusal.value.code, key.uses, Machine.objects.count()) == ("robot_elsewhere", 1, 1)


def test_a_key_reaches_only_its_own_tenant():
    _, text = make.enrolment_key_with_text()
    _, other = make.enrolment_key_with_text()

    robots = [enrol(text)[0], enrol(other)[0]]

    assert robots[0].tenant_id != robots[1].tenant_id
    assert [robot.machine.name for robot in robots] == ["host-1", "host-1"]


def test_a_machine_that_was_deleted_comes_back_as_a_new_one(system):
    key, text = make.enrolment_key_with_text()
    robot, _ = enrol(text)
    services.delete_robot(robot, actor=system)
    services.delete_machine(robot.machine, actor=system)

    again, _ = enrol(text)

    key.refresh_from_db()
    assert (again.machine.name, again.machine != robot.machine, key.uses) == ("host-1", True, 2)


def test_a_machine_that_got_a_key_of_its_own_is_the_template_s_no_more(system):
    _, text = make.enrolment_key_with_text()
    robots = [enrol(text, host, name=host)[0] for host in ("a", "b")]

    keys = [services.replace_key(robot.machine, actor=system) for robot in robots]

    found = [services.machine_of_key(key, actor=system) for key in keys]
    assert [(machine.made_by, machine.is_bound) for machine in found] == [(None, False)] * 2


def test_enrolling_is_written_down_without_the_key():
    key, text = make.enrolment_key_with_text()

    robot, _ = enrol(text)

    entry = AuditEntry.objects.about(robot.machine).get()
    assert (entry.action, entry.after["enrolment_key"]) == ("machine.enrolled", key.name)
    assert text[15:] not in str(list(AuditEntry.objects.values()))
    assert set(AuditEntry.objects.about(robot).values_list("action", flat=True)) == {
        "robot.registered",
        "robot.token_issued",
    }


def at_once(calls):
    """What came of calls that all run at the same time, or the refusal."""

    def one(call):
        try:
            return call()
        except Conflict as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


@pytest.mark.django_db(transaction=True)
def test_uses_are_counted_exactly_when_many_come_at_once():
    key, text = make.enrolment_key_with_text(most_uses=3)

    came = at_once([lambda n=n: enrol(text, f"host-{n}", name=f"r-{n}", machine_name="same") for n in range(8)])

    key.refresh_from_db()
    refused = [one for one in came if isinstance(one, services.EnrolmentUsedUp)]
    names = sorted(Machine.objects.filter(made_by=key).values_list("name", flat=True))
    assert (len(refused), key.uses) == (5, 3)
    assert names == ["same", "same-2", "same-3"]


@pytest.mark.django_db(transaction=True)
def test_one_host_that_calls_many_times_at_once_is_one_machine():
    _, text = make.enrolment_key_with_text(most_uses=1)

    came = at_once([lambda: enrol(text) for _ in range(6)])

    assert len(set(came)) == 1
    assert (Machine.objects.count(), Robot.objects.count(), RobotToken.objects.count()) == (1, 1, 1)


@pytest.mark.django_db(transaction=True)
def test_keys_that_make_machines_of_one_name_at_once_find_each_a_name():
    of = make.tenant()
    texts = [make.enrolment_key_with_text(of)[1] for _ in range(4)]

    at_once([lambda text=text: enrol(text, text[:9], name=text[:9], machine_name="same") for text in texts])

    names = sorted(Machine.objects.values_list("name", flat=True))
    assert names == ["same", "same-2", "same-3", "same-4"]
