"""Pages of processes, jobs, executions and bulk changes."""

from apps.jobs.admin import artefacts, bulk, executions, jobs, processes

__all__ = ["artefacts", "bulk", "executions", "jobs", "processes"]
