"""A robot's tokens: rotation, and those that follow from its machine's key."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from apps.audit.models import AuditEntry
from apps.core.errors import Invalid, NotSignedIn
from apps.core.tokens import ROTATION_OVERLAP
from apps.robots import services
from apps.robots.models import RobotToken
from tests import make

pytestmark = pytest.mark.django_db


def enrolled(name="r", tenant=None):
    machine, key = services.create_machine(tenant or make.tenant(), actor=make.SYSTEM, name="m")
    robot, token = services.register_robot(machine, actor=make.SYSTEM, key=key, name=name)
    return robot, key, token


def let_overlap_pass():
    RobotToken.objects.filter(revoked_at__isnull=False).update(revoked_at=F("revoked_at") - ROTATION_OVERLAP)


def test_registering_again_gives_the_same_robot_and_token(system):
    robot, key, token = enrolled("Robot-1")

    again = services.register_robot(robot.machine, actor=system, key=key, name="robot-1")

    assert again == (robot, token)
    assert RobotToken.objects.filter(robot=robot).count() == 1


def test_robots_of_one_machine_have_tokens_of_their_own(system):
    robot, key, token = enrolled()

    other, others = services.register_robot(robot.machine, actor=system, key=key, name="r2")

    assert RobotToken.matching(token).robot == robot
    assert RobotToken.matching(others).robot == other


def test_a_name_on_another_machine_is_refused(system):
    robot, _, _ = enrolled("r1")
    elsewhere, key = services.create_machine(robot.tenant, actor=system, name="m2")

    with pytest.raises(Invalid) as refusal:
        services.register_robot(elsewhere, actor=system, key=key, name="r1")

    assert refusal.value.code == "robot_elsewhere"


def test_a_regenerated_key_gives_another_token_and_ends_the_old(system):
    robot, key, token = enrolled()
    new_key = services.replace_key(robot.machine, actor=system)

    new = services.renew_derived_token(robot, actor=system, key=new_key)

    assert RobotToken.matching(token) is None
    assert RobotToken.matching(new).robot == robot
    with pytest.raises(NotSignedIn):
        services.renew_derived_token(robot, actor=system, key=key)


def test_a_rotated_token_works_ten_minutes_longer(system):
    robot, old = make.robot_with_token()

    new = services.rotate_token(robot, actor=system)

    assert {RobotToken.matching(old).robot, RobotToken.matching(new).robot} == {robot}
    let_overlap_pass()
    assert RobotToken.matching(old) is None
    assert RobotToken.matching(new).robot == robot


def test_rotating_twice_lets_none_of_the_old_ones_live_longer(system):
    robot, first = make.robot_with_token()
    services.rotate_token(robot, actor=system)
    ends = RobotToken.matching(first).revoked_at

    services.rotate_token(robot, actor=system)

    assert RobotToken.matching(first).revoked_at == ends


def test_rotation_ends_the_derived_token_too_and_the_key_then_gives_a_good_one(system):
    robot, key, derived = enrolled()
    services.rotate_token(robot, actor=system)
    let_overlap_pass()

    _, fresh = services.register_robot(robot.machine, actor=system, key=key, name=robot.name)

    assert RobotToken.matching(derived) is None
    assert RobotToken.matching(fresh).robot == robot
    assert services.register_robot(robot.machine, actor=system, key=key, name=robot.name) == (robot, fresh)


def test_a_token_ends_with_its_life(system):
    robot, token = make.robot_with_token()

    RobotToken.objects.filter(robot=robot).update(expires_at=Now() - timedelta(seconds=1))

    assert RobotToken.matching(token) is None


def test_a_robot_s_token_is_no_machine_key(system):
    _, token = make.robot_with_token()

    with pytest.raises(NotSignedIn):
        services.machine_of_key(token, actor=system)


def test_what_touches_trust_is_written_down(system):
    robot, _, _ = enrolled()

    services.rotate_token(robot, actor=system)

    actions = AuditEntry.objects.about(robot).values_list("action", flat=True)
    assert set(actions) == {"robot.registered", "robot.token_issued", "robot.token_rotated"}


def test_a_deleted_robot_s_name_enrols_a_new_robot(system):
    robot, key, token = enrolled("r")
    services.delete_robot(robot, actor=system)

    other, fresh = services.register_robot(robot.machine, actor=system, key=key, name="r")

    assert other != robot
    assert fresh != token
