"""Jobs, the executions that try them, their logs, and what is kept beside them."""

from apps.jobs.models.executions import Execution, ExecutionStatus, LateKind, LateResult
from apps.jobs.models.jobs import BulkAction, BulkChange, BulkStatus, Job, JobStatus
from apps.jobs.models.logs import LogChunk, LogStream
from apps.jobs.models.plane import Plane

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
]
