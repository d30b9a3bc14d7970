"""Hints to robots that wait. A lost one costs a polling interval and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from apps.core import statements

#: What ``live`` listens to. NOTIFY takes a lock at commit, so it is sent only while the robot waits.
ROBOT_CALLED = "bv_robot"

_CALL_ROBOT = """
    SELECT pg_notify(%(channel)s, robot_id::text) FROM robots_robotsession
    WHERE robot_id = %(robot)s::uuid AND ended_at IS NULL AND waits_until > statement_timestamp()
"""

_CALL_ROBOTS = """
    SELECT pg_notify(%(channel)s, robot_id::text) FROM robots_robotsession
    WHERE robot_id = ANY(%(robots)s::uuid[]) AND ended_at IS NULL AND waits_until > statement_timestamp()
"""


def call_robot(robot_id: UUID) -> None:
    """Say, at the commit, that something waits for this robot: a cancel, a drain, a change."""
    statements.execute(_CALL_ROBOT, {"channel": ROBOT_CALLED, "robot": robot_id})


def call_robots(robot_ids: Sequence[UUID]) -> None:
    """Say the same to several, by one statement."""
    statements.execute(_CALL_ROBOTS, {"channel": ROBOT_CALLED, "robots": statements.array(robot_ids)})
