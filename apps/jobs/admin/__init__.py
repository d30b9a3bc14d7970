"""Pages of processes, jobs, executions, items of queues and bulk changes."""

from apps.jobs.admin import artefacts, bulk, executions, item_bulk, items, jobs, limits, processes

__all__ = ["artefacts", "bulk", "executions", "item_bulk", "items", "jobs", "limits", "processes"]
