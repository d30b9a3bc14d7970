"""Jobs, the executions that try them, their logs, and what is kept beside them."""

from apps.core.bulk import BulkStatus
from apps.jobs.models.belongings import Artefact, JobToken, Span
from apps.jobs.models.executions import (
    WATCHED_FOR,
    Execution,
    ExecutionStatus,
    LateKind,
    LateResult,
    with_latest_execution,
)
from apps.jobs.models.jobs import MOST_DEPTH, BulkAction, BulkChange, Job, JobStatus
from apps.jobs.models.logs import LogChunk, LogStream
from apps.jobs.models.plane import Plane
from apps.jobs.models.robots import RobotStatus, with_open_executions, with_status

__all__ = [
    "MOST_DEPTH",
    "WATCHED_FOR",
    "Artefact",
    "BulkAction",
    "BulkChange",
    "BulkStatus",
    "Execution",
    "ExecutionStatus",
    "Job",
    "JobStatus",
    "JobToken",
    "LateKind",
    "LateResult",
    "LogChunk",
    "LogStream",
    "Plane",
    "RobotStatus",
    "Span",
    "with_latest_execution",
    "with_open_executions",
    "with_status",
]
