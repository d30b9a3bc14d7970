"""What becomes of leases when sessions end (through sessions: see tests/runner/test_sessions.py)."""

import pytest

from apps.core.errors import NotAllowed
from apps.jobs import services
from apps.jobs.models import ExecutionStatus
from tests import make
from tests.jobs.reports import finish, told

pytestmark = pytest.mark.django_db


def test_only_what_the_ended_sessions_held_is_settled():
    execution = make.running_job()

    kept = services.hand_over_leases(execution.robot, actor=make.SYSTEM, ended=[], reason="x")

    execution.refresh_from_db()
    assert (kept, execution.status) == ([], ExecutionStatus.RUNNING)


def test_what_was_given_up_and_why_is_told():
    execution = make.running_job()

    services.hand_over_leases(
        execution.robot, actor=make.SYSTEM, ended=[execution.session_id], reason="key_regenerated"
    )

    execution.refresh_from_db()
    assert execution.reason == "key_regenerated"
    assert told(execution) == ["execution.given_up"]


def test_what_ended_by_itself_stays_as_it_is():
    execution = make.running_job()
    finish(execution)

    services.hand_over_leases(execution.robot, actor=make.SYSTEM, ended=[execution.session_id], reason="x")

    execution.refresh_from_db()
    assert execution.status == ExecutionStatus.COMPLETED


def test_a_robot_hands_over_only_its_own():
    execution = make.running_job()

    with pytest.raises(NotAllowed):
        services.hand_over_leases(
            execution.robot, actor=make.acting(make.robot()), ended=[execution.session_id], reason="x"
        )
