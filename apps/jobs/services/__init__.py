"""Jobs, their executions and leases: everything that changes one."""

from apps.jobs.services._making import DuplicateJob, ProcessDisabled, Wanted
from apps.jobs.services._waking import WORK_WAITS
from apps.jobs.services.artefacts import (
    ARTEFACTS,
    ArtefactDiffers,
    Kept,
    TooManyArtefacts,
    delete_artefact,
    keep_artefact,
    note_artefact_download,
    sweep_artefacts,
)
from apps.jobs.services.bulk import advance_bulk_change, request_bulk_change
from apps.jobs.services.children import TooDeep, TooManyJobs, find_child, start_child
from apps.jobs.services.claiming import ANYTHING_DUE, SessionOver, claim_jobs
from apps.jobs.services.controlling import (
    JobEnded,
    cancel_child,
    cancel_job,
    fail_job,
    kill_job,
    prioritise_job,
    resume_job,
    stop_job,
)
from apps.jobs.services.creating import create_job, create_jobs, retry_job
from apps.jobs.services.finishing import Answer, Decision, Report, finish_execution
from apps.jobs.services.forgetting import forget_old_artefacts, forget_old_bulk_changes, forget_old_jobs
from apps.jobs.services.leases import (
    JobEnding,
    LeaseOver,
    find_lease,
    hand_over_leases,
    hold_execution,
    release_execution,
    renew_leases,
    start_execution,
    start_with_token,
)
from apps.jobs.services.logs import LogDiffers, LogGap, append_lines, append_log, watch_log
from apps.jobs.services.plane import advance_tick, ensure_plane, notice_tick
from apps.jobs.services.spans import record_spans
from apps.jobs.services.sweeping import expire_job, forget_ended_tokens, note_sweep, sweep_execution
from apps.jobs.services.triggering import Triggered, create_triggered_jobs, problems_of_wanted, replace_jobs

__all__ = [
    "ANYTHING_DUE",
    "ARTEFACTS",
    "WORK_WAITS",
    "Answer",
    "ArtefactDiffers",
    "Decision",
    "DuplicateJob",
    "JobEnded",
    "JobEnding",
    "Kept",
    "LeaseOver",
    "LogDiffers",
    "LogGap",
    "ProcessDisabled",
    "Report",
    "SessionOver",
    "TooDeep",
    "TooManyArtefacts",
    "TooManyJobs",
    "Triggered",
    "Wanted",
    "advance_bulk_change",
    "advance_tick",
    "append_lines",
    "append_log",
    "cancel_child",
    "cancel_job",
    "claim_jobs",
    "create_job",
    "create_jobs",
    "create_triggered_jobs",
    "delete_artefact",
    "ensure_plane",
    "expire_job",
    "fail_job",
    "find_child",
    "find_lease",
    "finish_execution",
    "forget_ended_tokens",
    "forget_old_artefacts",
    "forget_old_bulk_changes",
    "forget_old_jobs",
    "hand_over_leases",
    "hold_execution",
    "keep_artefact",
    "kill_job",
    "note_artefact_download",
    "note_sweep",
    "notice_tick",
    "prioritise_job",
    "problems_of_wanted",
    "record_spans",
    "release_execution",
    "renew_leases",
    "replace_jobs",
    "request_bulk_change",
    "resume_job",
    "retry_job",
    "start_child",
    "start_execution",
    "start_with_token",
    "stop_job",
    "sweep_artefacts",
    "sweep_execution",
    "watch_log",
]
