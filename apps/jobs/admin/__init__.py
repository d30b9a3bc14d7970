"""Pages of processes, jobs, executions and bulk changes."""

from apps.jobs.admin import artefacts, bulk, executions, jobs, limits, processes

__all__ = ["artefacts", "bulk", "executions", "jobs", "limits", "processes"]
