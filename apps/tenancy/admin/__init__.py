"""Pages of tenants and folders."""

from apps.tenancy.admin import folders, tenants

__all__ = ["folders", "tenants"]
