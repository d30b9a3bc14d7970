"""Pages of tenants, folders and brakes."""

from apps.tenancy.admin import brakes, folders, tenants

__all__ = ["brakes", "folders", "tenants"]
