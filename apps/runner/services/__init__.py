"""What robots ask for, and what changes robots and their leases together."""

from apps.runner.services._pacing import TICKET_SALT
from apps.runner.services.assets import deliver_secret, find_asset, set_asset, value_of
from apps.runner.services.classic import connect_machine, next_job, note_presence, note_receipt, settle_job
from apps.runner.services.items import take_items
from apps.runner.services.protocols import NoCommonProtocol, turn_away
from apps.runner.services.sessions import Opened, connect_classic, disable_robot, open_session, regenerate_key
from apps.runner.services.syncing import Answered, Presence, Renewal, SequenceConflict, sync_robot

__all__ = [
    "TICKET_SALT",
    "Answered",
    "NoCommonProtocol",
    "Opened",
    "Presence",
    "Renewal",
    "SequenceConflict",
    "connect_classic",
    "connect_machine",
    "deliver_secret",
    "disable_robot",
    "find_asset",
    "next_job",
    "note_presence",
    "note_receipt",
    "open_session",
    "regenerate_key",
    "set_asset",
    "settle_job",
    "sync_robot",
    "take_items",
    "turn_away",
    "value_of",
]
