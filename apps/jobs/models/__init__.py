"""Jobs, the executions that try them, their logs, and what is kept beside them."""

from apps.jobs.models.executions import (
    Execution,
    ExecutionStatus,
    LateKind,
    LateResult,
    with_latest_execution,
)
from apps.jobs.models.jobs import BulkAction, BulkChange, BulkStatus, Job, JobStatus
from apps.jobs.models.logs import LogChunk, LogStream
from apps.jobs.models.plane import Plane
from apps.jobs.models.robots import RobotStatus, with_open_executions, with_status

__all__ = [
    "BulkAction",
    "BulkChange",
    "BulkStatus",
    "Execution",
    "ExecutionStatus",
    "Job",
    "JobStatus",
    "LateKind",
    "LateResult",
    "LogChunk",
    "LogStream",
    "Plane",
    "RobotStatus",
    "with_latest_execution",
    "with_open_executions",
    "with_status",
]
