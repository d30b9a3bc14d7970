"""Machines, robots, their credentials and their sessions."""

from apps.robots.services._making import TooManyRobots
from apps.robots.services._waking import ROBOT_CALLED, call_robot
from apps.robots.services.bulk import MOST_ROBOTS, RobotChange, change_robots
from apps.robots.services.credentials import (
    TokenRotated,
    register_robot,
    renew_derived_token,
    rotate_own_token,
    rotate_token,
)
from apps.robots.services.enrolling import EnrolmentUsedUp, Host, enrol_robot
from apps.robots.services.enrolment_keys import (
    ENROLMENT_KEY_FIELDS,
    create_enrolment_key,
    replace_enrolment_key,
    revoke_enrolment_key,
    update_enrolment_key,
)
from apps.robots.services.leaving import RobotBusy, delete_robot, deregister_robot, restore_robot, sweep_ephemeral_robot
from apps.robots.services.machines import (
    MachineHasRobots,
    create_machine,
    delete_machine,
    machine_of_key,
    meet_machine,
    replace_key,
    restore_machine,
    update_machine,
)
from apps.robots.services.robots import (
    clear_error,
    create_robot,
    disable_robot,
    drain_robot,
    enable_robot,
    end_maintenance,
    flag_error,
    forgive_refusal,
    start_maintenance,
    stop_draining,
    update_robot,
)
from apps.robots.services.sessions import (
    Newcomer,
    SessionInUse,
    end_session,
    end_sessions_of_machine,
    forget_old_sessions,
    start_session,
)

__all__ = [
    "ENROLMENT_KEY_FIELDS",
    "MOST_ROBOTS",
    "ROBOT_CALLED",
    "EnrolmentUsedUp",
    "Host",
    "MachineHasRobots",
    "Newcomer",
    "RobotBusy",
    "RobotChange",
    "SessionInUse",
    "TokenRotated",
    "TooManyRobots",
    "call_robot",
    "change_robots",
    "clear_error",
    "create_enrolment_key",
    "create_machine",
    "create_robot",
    "delete_machine",
    "delete_robot",
    "deregister_robot",
    "disable_robot",
    "drain_robot",
    "enable_robot",
    "end_maintenance",
    "end_session",
    "end_sessions_of_machine",
    "enrol_robot",
    "flag_error",
    "forget_old_sessions",
    "forgive_refusal",
    "machine_of_key",
    "meet_machine",
    "register_robot",
    "renew_derived_token",
    "replace_enrolment_key",
    "replace_key",
    "restore_machine",
    "restore_robot",
    "revoke_enrolment_key",
    "rotate_own_token",
    "rotate_token",
    "start_maintenance",
    "start_session",
    "stop_draining",
    "sweep_ephemeral_robot",
    "update_enrolment_key",
    "update_machine",
    "update_robot",
]
