"""Pages of packages and their versions."""

from apps.packages.admin import packages, versions

__all__ = ["packages", "versions"]
