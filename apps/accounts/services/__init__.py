"""Users, service accounts, and the keys with which programs call."""

from apps.accounts.services._reach import MOST_FOLDERS, MOST_NETWORKS, MOST_SCOPES
from apps.accounts.services.explaining import Explanation, explain_access, explained_kinds, row_named
from apps.accounts.services.fresh import FRESH_SIGN_IN_NEEDED, confirm_sign_in, require_fresh_sign_in
from apps.accounts.services.keys import (
    DEFAULT_KEY_LIFE,
    DEFAULT_OVERLAP,
    LONGEST_KEY_LIFE,
    LONGEST_OVERLAP,
    create_api_key,
    revoke_api_key,
    rotate_api_key,
)
from apps.accounts.services.users import (
    SETTABLE,
    create_service_account,
    create_user,
    disable_user,
    enable_user,
    set_password,
    set_time_zone,
    update_user,
)
from apps.accounts.services.uses import KEPT_DAYS, Usage, forget_uses, note_use, usage_of, write_uses

__all__ = [
    "DEFAULT_KEY_LIFE",
    "DEFAULT_OVERLAP",
    "FRESH_SIGN_IN_NEEDED",
    "KEPT_DAYS",
    "LONGEST_KEY_LIFE",
    "LONGEST_OVERLAP",
    "MOST_FOLDERS",
    "MOST_NETWORKS",
    "MOST_SCOPES",
    "SETTABLE",
    "Explanation",
    "Usage",
    "confirm_sign_in",
    "create_api_key",
    "create_service_account",
    "create_user",
    "disable_user",
    "enable_user",
    "explain_access",
    "explained_kinds",
    "forget_uses",
    "note_use",
    "require_fresh_sign_in",
    "revoke_api_key",
    "rotate_api_key",
    "row_named",
    "set_password",
    "set_time_zone",
    "update_user",
    "usage_of",
    "write_uses",
]
