"""Pages of users, roles and API keys."""

from apps.accounts.admin import assignments, keys, me, roles, users

__all__ = ["assignments", "keys", "me", "roles", "users"]
