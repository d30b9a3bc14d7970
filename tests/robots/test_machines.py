"""Machines and their enrolment keys."""

import pytest

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed, NotSignedIn
from apps.robots import services
from apps.robots.models import MachineKey, RobotToken
from apps.tenancy import services as tenancy
from tests import make

pytestmark = pytest.mark.django_db


def machine_and_key(**fields):
    return services.create_machine(make.tenant(), actor=make.SYSTEM, **{"name": "host-1"} | fields)


def test_a_key_is_shown_once_and_stored_as_a_hash(system):
    machine, key = machine_and_key()

    row = MachineKey.objects.get(machine=machine)
    assert key.startswith("bvm_")
    assert key not in str(vars(row))
    assert services.machine_of_key(key, actor=system) == machine


@pytest.mark.parametrize("key", ["", "bvm_x", "nonsense", "bvr_0000000000_" + "0" * 49])
def test_what_is_no_key_of_ours_is_refused(system, key):
    with pytest.raises(NotSignedIn) as refusal:
        services.machine_of_key(key, actor=system)

    assert refusal.value.code == "bad_machine_key"


def test_a_key_with_a_changed_letter_is_refused(system):
    _, key = machine_and_key()
    other = "a" if key[20] != "a" else "b"

    with pytest.raises(NotSignedIn):
        services.machine_of_key(key[:20] + other + key[21:], actor=system)


def test_a_key_of_a_suspended_tenant_opens_nothing(system):
    machine, key = machine_and_key()
    tenancy.suspend_tenant(machine.tenant, actor=system)

    with pytest.raises(NotAllowed) as refusal:
        services.machine_of_key(key, actor=system)

    assert refusal.value.code == "tenant_suspended"


def test_a_new_key_ends_the_old_one(system):
    machine, old = machine_and_key()

    new = services.replace_key(machine, actor=system)

    assert services.machine_of_key(new, actor=system) == machine
    with pytest.raises(NotSignedIn):
        services.machine_of_key(old, actor=system)


def test_a_new_key_ends_the_tokens_that_came_from_the_old_one(system):
    machine, old = machine_and_key()
    robot, _ = services.register_robot(machine, actor=system, key=old, name="r")
    own = services.rotate_token(robot, actor=system)
    derived = services.renew_derived_token(robot, actor=system, key=old)

    services.replace_key(machine, actor=system)

    assert RobotToken.matching(derived) is None
    assert RobotToken.matching(own).robot == robot


def test_a_new_key_lets_the_machine_move_to_another_host(system):
    machine, _ = machine_and_key()
    services.meet_machine(machine, actor=system, signature="old host")

    services.replace_key(machine, actor=system)

    services.meet_machine(machine, actor=system, signature="new host")


def test_the_first_contact_binds_the_host(system):
    machine, _ = machine_and_key()

    machine = services.meet_machine(machine, actor=system, signature="  Host   A ", info={"os": "linux"})

    assert len(machine.signature) == 64
    assert machine.info == {"os": "linux"}
    assert services.meet_machine(machine, actor=system, signature="host a").signature == machine.signature
    assert AuditEntry.objects.about(machine).filter(action="machine.bound").count() == 1


def test_another_host_is_turned_away(system):
    machine, _ = machine_and_key()
    services.meet_machine(machine, actor=system, signature="host a")

    with pytest.raises(NotAllowed) as refusal:
        services.meet_machine(machine, actor=system, signature="host b")

    assert refusal.value.code == "machine_mismatch"


def test_a_machine_that_says_another_name_is_turned_away(system):
    machine, _ = machine_and_key(name="host-1")

    with pytest.raises(NotAllowed, match="machine_name"):
        services.meet_machine(machine, actor=system, signature="host", name="host-2")


def test_the_name_may_come_in_another_case(system):
    machine, _ = machine_and_key(name="host-1")

    assert services.meet_machine(machine, actor=system, signature="host", name="HOST-1 ").signature


@pytest.mark.parametrize("signature", ["", "  \t "])
def test_a_host_without_a_signature_is_refused(system, signature):
    machine, _ = machine_and_key()

    with pytest.raises(Invalid, match="machine_signature"):
        services.meet_machine(machine, actor=system, signature=signature)


def test_a_machine_can_be_changed(system):
    machine, _ = machine_and_key()

    services.update_machine(machine, actor=system, name=" Host 2 ", description="d", labels=["SAP", "sap", "b"])

    machine.refresh_from_db()
    assert (machine.name, machine.labels) == ("Host 2", ["b", "sap"])
    entry = AuditEntry.objects.about(machine).first()
    assert (entry.before["name"], entry.after["name"]) == ("host-1", "Host 2")


def test_a_name_is_free_once_per_tenant(system):
    machine, _ = machine_and_key(name="host-1")

    with pytest.raises(Conflict) as refusal:
        services.create_machine(machine.tenant, actor=system, name="HOST-1")

    assert refusal.value.code == "name_taken"


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb"])
def test_a_name_that_cannot_be_shown_is_refused(system, name):
    with pytest.raises(Invalid, match="name"):
        services.create_machine(make.tenant(), actor=system, name=name)


def test_labels_that_are_none_are_refused_by_name(system):
    with pytest.raises(Invalid, match="two words"):
        services.create_machine(make.tenant(), actor=system, name="m", labels=["good", "two words"])


def test_a_deleted_machine_frees_its_name_and_ends_its_key(system):
    machine, key = machine_and_key(name="host-1")

    services.delete_machine(machine, actor=system)

    services.create_machine(machine.tenant, actor=system, name="host-1")
    with pytest.raises(NotSignedIn):
        services.machine_of_key(key, actor=system)


def test_a_machine_with_robots_stays(system):
    robot = make.robot()

    with pytest.raises(services.MachineHasRobots):
        services.delete_machine(robot.machine, actor=system)


def test_a_deleted_machine_takes_no_new_robot(system):
    machine, _ = machine_and_key()
    services.delete_machine(machine, actor=system)
    machine.refresh_from_db()

    with pytest.raises(Conflict, match="deleted"):
        services.create_robot(machine, actor=system, name="r")


@pytest.mark.parametrize(
    "operation",
    [
        lambda machine, actor: services.create_machine(machine.tenant, actor=actor, name="other"),
        lambda machine, actor: services.update_machine(machine, actor=actor, name="x", description="", labels=[]),
        lambda machine, actor: services.replace_key(machine, actor=actor),
        lambda machine, actor: services.delete_machine(machine, actor=actor),
        lambda machine, actor: services.end_sessions_of_machine(machine, actor=actor, reason="x"),
    ],
)
def test_who_may_only_look_may_not(operation):
    machine, _ = machine_and_key()
    viewer = Actor.person(make.user("robots.view_machine", inside=machine.tenant))

    with pytest.raises(NotAllowed):
        operation(machine, viewer)
