"""Pages of machines, enrolment keys and robots."""

from apps.runner.admin import enrolment_keys, machines, robots

__all__ = ["enrolment_keys", "machines", "robots"]
