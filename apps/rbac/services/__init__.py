"""Permission: the one question every door and service asks, and the roles that answer it."""

from apps.rbac.services.questions import (
    EVERYWHERE,
    Reach,
    allows,
    reach,
    refuse_suspended,
    require,
    tenants_where,
    visible,
    visible_assignments,
    visible_roles,
)
from apps.rbac.services.roles import (
    assign_role,
    create_role,
    delete_role,
    ensure_builtin_roles,
    revoke_role,
    share_object,
    unshare_object,
    update_role,
)

__all__ = [
    "EVERYWHERE",
    "Reach",
    "allows",
    "assign_role",
    "create_role",
    "delete_role",
    "ensure_builtin_roles",
    "reach",
    "refuse_suspended",
    "require",
    "revoke_role",
    "share_object",
    "tenants_where",
    "unshare_object",
    "update_role",
    "visible",
    "visible_assignments",
    "visible_roles",
]
