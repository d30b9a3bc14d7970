"""Letting go what is kept no longer."""

from apps.retention.services.pruning import drop_periods, end_run, note_going, prune_batch

__all__ = ["drop_periods", "end_run", "note_going", "prune_batch"]
