"""Everything that can happen to processes and the limits they share."""

from apps.processes.services.limits import (
    create_limit,
    delete_limit,
    share_limit,
    unshare_limit,
    update_limit,
)
from apps.processes.services.processes import (
    SETTABLE,
    create_process,
    delete_process,
    disable_process,
    enable_process,
    restore_process,
    update_process,
    upgrade_process,
)

__all__ = [
    "SETTABLE",
    "create_limit",
    "create_process",
    "delete_limit",
    "delete_process",
    "disable_process",
    "enable_process",
    "restore_process",
    "share_limit",
    "unshare_limit",
    "update_limit",
    "update_process",
    "upgrade_process",
]
