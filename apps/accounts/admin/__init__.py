"""Pages of users, roles and API keys."""

from apps.accounts.admin import assignments, groups, keys, me, roles, users

__all__ = ["assignments", "groups", "keys", "me", "roles", "users"]
