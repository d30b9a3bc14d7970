"""Storing mail that is to leave."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models.functions import Now

from apps.audit import services as audit
from apps.configuration.models import Setting
from apps.core.actors import Actor
from apps.core.columns import refuse_unfit
from apps.core.errors import Conflict, Invalid, TooOften
from apps.core.later import later
from apps.encryption.models import seal
from apps.mail.models import TEST, Mail, MailStatus
from apps.rbac import services as rbac
from apps.tenancy.models import Tenant

#: Mail is tried for so long, unless whoever queues it says otherwise.
TRIED_FOR: Final = timedelta(hours=12)
LONGEST_TEXT: Final = 64 * 1024
#: Test mails of the whole installation within a minute.
MOST_TESTS: Final = 5
_TEST_PERIOD: Final = timedelta(minutes=1)


class MailOff(Conflict):
    """The settings say that no mail leaves."""

    code = "mail_off"


class TooManyTests(TooOften):
    """Test mails were asked for too often."""

    code = "too_many_tests"


@transaction.atomic
def queue_mail(
    to: str,
    *,
    actor: Actor,
    subject: str,
    text: str,
    purpose: str,
    tenant: Tenant | None = None,
    useful_for: timedelta = TRIED_FOR,
) -> Mail:
    """Have a message sent once the caller's transaction has committed; if that fails, nothing is sent.

    ``useful_for`` is how long its text is worth reading, such as the life of a link in it: later it is not tried.
    Whoever calls has asked whether it may, and writes down what the mail is about. While mail is off it waits.
    Raises ``Invalid`` for an address or a subject that is none.
    """
    if not to.strip():
        raise Invalid.field("to", "name an address.", code="required")
    if not subject.isprintable():
        raise Invalid.field("subject", "is one line of text.")
    if len(text) > LONGEST_TEXT:
        raise Invalid.field("text", f"has at most {LONGEST_TEXT:,} characters.")
    mail = Mail(tenant=tenant, purpose=purpose, to=to.strip(), subject=subject, queued_by=str(actor)[:200])
    refuse_unfit(mail, "to", "subject", "purpose")
    mail.give_up_at = Now() + useful_for
    seal(mail, "body", text)
    Mail.objects.bulk_create([mail])
    later("mail.send_due")
    return mail


@transaction.atomic
def send_test(to: str = "", *, actor: Actor) -> Mail:
    """Send a mail that only shows that mail leaves, to an address or to whoever asks.

    Raises ``MailOff``, ``TooManyTests``, and ``Invalid`` where nobody has an address.
    """
    rbac.require(actor, "mail.send_mail", rbac.EVERYWHERE)
    address = to.strip() or getattr(actor.user, "email", "")
    if not address:
        raise Invalid.field("to", "name an address: you have none of your own here.", code="required")
    settings = Setting.objects.in_force("general") | {"is_on": Setting.objects.in_force("email")["enabled"]}
    if not settings["is_on"]:
        raise MailOff("Mail is switched off: enable it first (Settings → Mail, email.enabled).")
    _refuse_too_many_tests()
    name = settings["instance_name"]
    text = f"Mail leaves {name}.\n\n{actor.name} asked for this test. There is nothing to do.\n"
    mail = queue_mail(address, actor=actor, subject=f"{name}: test mail", text=text, purpose=TEST)
    audit.record(actor, "mail.tested", mail, after={"to": address})
    return mail


@transaction.atomic
def send_again(mail: Mail, *, actor: Actor) -> Mail:
    """Try a mail that was given up once more, from now on for as long as a new one."""
    rbac.require(actor, "mail.send_mail", mail.tenant or rbac.EVERYWHERE)
    mail.lock()
    if mail.status == MailStatus.DEAD and not mail.body:
        raise Conflict("Its text is gone by now. Have what it was about sent anew.", current=mail.status)
    mail.move_to(MailStatus.PENDING, attempts=0, next_try_at=Now(), give_up_at=Now() + TRIED_FOR)
    audit.record(actor, "mail.requeued", mail, before={"status": MailStatus.DEAD.value})
    later("mail.send_due")
    return mail


def _refuse_too_many_tests() -> None:
    with connection.cursor() as cursor:
        # Who counts must be alone: two who count at once would each find room for one.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('mail.send_test', 0))")
    if Mail.objects.tests().filter(created_at__gt=Now() - _TEST_PERIOD).count() >= MOST_TESTS:
        seconds = int(_TEST_PERIOD.total_seconds())
        raise TooManyTests(f"{MOST_TESTS} test mails a minute are enough: wait a moment.", retry_after=seconds)
