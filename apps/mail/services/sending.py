"""Sending what is due: taken in one transaction, handed to the mail server in none, noted in another."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final

import structlog
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.actors import Actor
from apps.core.states import TransitionError
from apps.mail.models import Mail, MailStatus
from apps.mail.rules import Failure, wait_after
from apps.mail.services import _smtp
from apps.rbac import services as rbac

log = structlog.get_logger(__name__)

#: Of one run: the next tick goes on.
MOST_AT_ONCE: Final = 100
MOST_SECONDS: Final = 120.0
#: A mail that was taken is nobody else's for so long: longer than a task may run.
TAKEN_FOR: Final = timedelta(minutes=6)
TEXT_KEPT, ROWS_KEPT = timedelta(days=3), timedelta(days=30)


def send_due(*, actor: Actor) -> int:
    """Send what is due, one mail after the other; returns how many left.

    A process that is killed between the mail server's yes and the note of it sends that mail again: twice is better
    than never. A mail keeps its Message-ID, by which the recipient's programs know it.
    """
    give_up_old(actor=actor)
    server = _smtp.server_in_force()
    if server is None:
        return 0
    count, began = 0, time.monotonic()
    for _ in range(MOST_AT_ONCE):
        mail = take_due(actor=actor) if time.monotonic() - began < MOST_SECONDS else None
        if mail is None:
            break
        failure = _smtp.send(server, mail)
        if failure is None:
            note_sent(mail, actor=actor)
            count += 1
            continue
        note_failed(mail, actor=actor, failure=failure)
        if failure.is_of_server:
            break  # The others would wait for the same, one after the other.
    return count


@transaction.atomic
def take_due(*, actor: Actor) -> Mail | None:
    """Take a mail that is due, so that nobody else sends it; unless its taker notes something, it is due again."""
    rbac.require(actor, "mail.send_mail", rbac.EVERYWHERE)
    mail = Mail.objects.due().select_for_update(skip_locked=True, of=("self",)).order_by("next_try_at").first()
    if mail is None:
        return None
    mail.attempts += 1
    Mail.objects.filter(pk=mail.pk).update(attempts=mail.attempts, next_try_at=Now() + TAKEN_FOR)
    return mail


@transaction.atomic
def note_sent(mail: Mail, *, actor: Actor) -> None:
    """Note that the mail server has taken a mail; its text goes."""
    rbac.require(actor, "mail.send_mail", rbac.EVERYWHERE)
    try:
        mail.move_to(MailStatus.SENT, sent_at=Now(), body="", last_error="")
    except TransitionError:
        log.info("mail_sent_twice", mail=str(mail.pk))


@transaction.atomic
def note_failed(mail: Mail, *, actor: Actor, failure: Failure) -> None:
    """Note why a mail did not leave, and when it is tried again, if ever."""
    rbac.require(actor, "mail.send_mail", rbac.EVERYWHERE)
    # Who was overtaken, after having been away for too long, has nothing to say any more.
    taken = Mail.objects.filter(pk=mail.pk, attempts=mail.attempts, status=MailStatus.PENDING)
    wait = wait_after(mail.attempts)
    is_last = failure.is_final or not taken.filter(give_up_at__gt=Now() + wait).exists()
    if is_last:
        given_up = taken.move_all_to(MailStatus.DEAD, last_error=failure.text)
        log.warning("mail_given_up", mail=str(mail.pk), purpose=mail.purpose, error=failure.text, given_up=given_up)
    else:
        taken.update(last_error=failure.text, next_try_at=Now() + wait)
        log.info("mail_not_sent", mail=str(mail.pk), error=failure.text, attempts=mail.attempts)


@transaction.atomic
def give_up_old(*, actor: Actor) -> int:
    """Give up what nobody could send while it was of use, such as while mail was off; returns how many it were."""
    rbac.require(actor, "mail.send_mail", rbac.EVERYWHERE)
    old = Mail.objects.due().filter(give_up_at__lt=Now())
    count = old.filter(last_error="").move_all_to(
        MailStatus.DEAD, last_error="Mail was off, or nobody sent it, for too long."
    )
    return count + old.move_all_to(MailStatus.DEAD)


@transaction.atomic
def forget_old_mail(*, actor: Actor) -> int:
    """Let go the texts of mails that were given up days ago, and what is left of mails after weeks."""
    rbac.require(actor, "mail.send_mail", rbac.EVERYWHERE)
    ended = Mail.objects.exclude(status=MailStatus.PENDING)
    ended.filter(~Q(body=""), give_up_at__lt=Now() - TEXT_KEPT).update(body="")
    return ended.filter(created_at__lt=Now() - ROWS_KEPT, give_up_at__lt=Now() - TEXT_KEPT).delete()[0]
