"""Users, service accounts, how they sign in, and the keys with which programs call."""

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
from apps.accounts.services.passwords import change_password, set_password
from apps.accounts.services.profile import remove_avatar, set_avatar, update_profile
from apps.accounts.services.proving import Proof, prove_password
from apps.accounts.services.sessions import (
    forget_ended_sessions,
    sign_in,
    sign_out,
    sign_out_others,
    unlock_user,
)
from apps.accounts.services.users import (
    SETTABLE,
    create_service_account,
    create_user,
    disable_user,
    enable_user,
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
    "Proof",
    "Usage",
    "change_password",
    "confirm_sign_in",
    "create_api_key",
    "create_service_account",
    "create_user",
    "disable_user",
    "enable_user",
    "explain_access",
    "explained_kinds",
    "forget_ended_sessions",
    "forget_uses",
    "note_use",
    "prove_password",
    "remove_avatar",
    "require_fresh_sign_in",
    "revoke_api_key",
    "rotate_api_key",
    "row_named",
    "set_avatar",
    "set_password",
    "sign_in",
    "sign_out",
    "sign_out_others",
    "unlock_user",
    "update_profile",
    "update_user",
    "usage_of",
    "write_uses",
]
