"""What is kept for how long, how far it has gone, and what will go."""

from apps.retention.models.kinds import KINDS, Kind, keeping_of
from apps.retention.models.prunings import Pruning

__all__ = ["KINDS", "Kind", "Pruning", "keeping_of"]
