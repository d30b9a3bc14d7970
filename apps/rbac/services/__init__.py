"""Permission: the one question every door and service asks, and the roles that answer it."""

from apps.rbac.services._levels import refuse_acting_as
from apps.rbac.services.explaining import Answer, Grant, explain
from apps.rbac.services.giving import (
    assign_role,
    end_expired_assignments,
    replace_roles,
    revoke_role,
    share_object,
    unshare_object,
)
from apps.rbac.services.groups import (
    add_member,
    create_group,
    delete_group,
    remove_member,
    sync_groups_from_claims,
    update_group,
)
from apps.rbac.services.questions import (
    EVERYWHERE,
    Reach,
    allows,
    held_assignments,
    permissions_held,
    reach,
    refuse_suspended,
    require,
    tenants_where,
    visible,
    visible_assignments,
    visible_groups,
    visible_members,
    visible_roles,
)
from apps.rbac.services.roles import create_role, delete_role, ensure_builtin_roles, update_role

__all__ = [
    "EVERYWHERE",
    "Answer",
    "Grant",
    "Reach",
    "add_member",
    "allows",
    "assign_role",
    "create_group",
    "create_role",
    "delete_group",
    "delete_role",
    "end_expired_assignments",
    "ensure_builtin_roles",
    "explain",
    "held_assignments",
    "permissions_held",
    "reach",
    "refuse_acting_as",
    "refuse_suspended",
    "remove_member",
    "replace_roles",
    "require",
    "revoke_role",
    "share_object",
    "sync_groups_from_claims",
    "tenants_where",
    "unshare_object",
    "update_group",
    "update_role",
    "visible",
    "visible_assignments",
    "visible_groups",
    "visible_members",
    "visible_roles",
]
