"""Pages about what goes, and what can be had back."""

from apps.retention.admin import bins, forecast

__all__ = ["bins", "forecast"]
