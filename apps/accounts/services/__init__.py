"""Users, service accounts, and the keys with which programs call."""

from apps.accounts.services.explaining import Explanation, explain_access, explained_kinds, row_named
from apps.accounts.services.fresh import FRESH_SIGN_IN_NEEDED, confirm_sign_in, require_fresh_sign_in
from apps.accounts.services.keys import DEFAULT_KEY_LIFE, LONGEST_KEY_LIFE, create_api_key, revoke_api_key
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

__all__ = [
    "DEFAULT_KEY_LIFE",
    "FRESH_SIGN_IN_NEEDED",
    "LONGEST_KEY_LIFE",
    "SETTABLE",
    "Explanation",
    "confirm_sign_in",
    "create_api_key",
    "create_service_account",
    "create_user",
    "disable_user",
    "enable_user",
    "explain_access",
    "explained_kinds",
    "require_fresh_sign_in",
    "revoke_api_key",
    "row_named",
    "set_password",
    "set_time_zone",
    "update_user",
]
