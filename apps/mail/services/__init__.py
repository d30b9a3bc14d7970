"""Mail: queued where something happens, sent by whoever is woken for it."""

from apps.mail.services.links import NoPublicAddress, link_to
from apps.mail.services.queueing import MailOff, TooManyTests, queue_mail, send_again, send_test
from apps.mail.services.sending import (
    forget_old_mail,
    give_up_old,
    note_failed,
    note_sent,
    send_due,
    take_due,
)

__all__ = [
    "MailOff",
    "NoPublicAddress",
    "TooManyTests",
    "forget_old_mail",
    "give_up_old",
    "link_to",
    "note_failed",
    "note_sent",
    "queue_mail",
    "send_again",
    "send_due",
    "send_test",
    "take_due",
]
