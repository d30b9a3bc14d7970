"""Users, service accounts, and the keys with which programs call."""

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
    "LONGEST_KEY_LIFE",
    "SETTABLE",
    "create_api_key",
    "create_service_account",
    "create_user",
    "disable_user",
    "enable_user",
    "revoke_api_key",
    "set_password",
    "set_time_zone",
    "update_user",
]
