"""Pages of processes, jobs, executions and bulk changes."""

from apps.jobs.admin import bulk, executions, jobs, processes

__all__ = ["bulk", "executions", "jobs", "processes"]
