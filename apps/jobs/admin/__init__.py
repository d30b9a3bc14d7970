"""Pages of processes, jobs, executions, items of queues and bulk changes."""

from apps.jobs.admin import artefacts, assets, bulk, executions, item_bulk, items, jobs, limits, processes

__all__ = ["artefacts", "assets", "bulk", "executions", "item_bulk", "items", "jobs", "limits", "processes"]
