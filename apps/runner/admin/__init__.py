"""Pages of machines and robots."""

from apps.runner.admin import machines, robots

__all__ = ["machines", "robots"]
