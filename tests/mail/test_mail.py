"""Mail leaves once, late rather than never, and says nothing of its text to anybody else."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.configuration import services as configuration
from apps.core.errors import Conflict, Invalid
from apps.encryption import services as encryption
from apps.mail import services, tasks
from apps.mail.models import Mail, MailStatus
from apps.mail.rules import LONGEST_WAIT, wait_after
from apps.mail.services import _smtp
from tests import make
from tests.mail import sink

pytestmark = pytest.mark.django_db
LINK = "https://example.com/reset/one-time-canary"


def queue(to="ann@example.com", **facts):
    given = {"subject": "New password", "text": f"Press here: {LINK}", "purpose": "reset", **facts}
    return services.queue_mail(to, actor=make.SYSTEM, **given)


def due_again(mail):
    Mail.objects.filter(pk=mail.pk).update(next_try_at=timezone.now() - timedelta(seconds=1))


def tried(mail):
    services.send_due(actor=make.SYSTEM)
    mail.refresh_from_db()
    return mail


def test_a_mail_leaves_signed_in_and_keeps_no_text():
    with sink.running(user="bv", password="opensesame!") as server:
        sink.settle(smtp_username="bv", smtp_password="opensesame!")
        mail = queue(subject="Grüße {{7*7}}", text="Ein Ä {{7*7}} ${x}\n.\nEnd")
        assert "{{7*7}}" not in mail.body

        assert tasks.send_due() == 1

        (got,) = server.mails
    mail.refresh_from_db()
    assert (got["To"], got["From"], got["Subject"]) == ("ann@example.com", "BV <robots@example.com>", mail.subject)
    assert got["Message-ID"] == f"<{mail.pk}@example.com>"
    assert got.get_content().replace("\r\n", "\n") == "Ein Ä {{7*7}} ${x}\n.\nEnd\n\n-- \nBV Orchestrator\n"
    assert (mail.status, mail.body, mail.attempts, mail.last_error) == (MailStatus.SENT, "", 1, "")
    assert tasks.send_due() == 0


def test_what_is_rolled_back_is_never_sent():
    with sink.running() as server:
        with transaction.atomic():
            queue()
            transaction.set_rollback(True)
        assert (services.send_due(actor=make.SYSTEM), server.taken) == (0, [])


@pytest.mark.parametrize(
    ("field", "facts"),
    [
        ("to", {"to": "ann@example.com\r\nBcc: eve@example.com"}),
        ("to", {"to": "ann@example.com, eve@example.com"}),
        ("to", {"to": ""}),
        ("subject", {"subject": "Hello\r\nBcc: eve@example.com"}),
        ("subject", {"subject": "Hello\u2028Bcc: eve@example.com"}),
        ("subject", {"subject": "x" * 201}),
        ("text", {"text": "x" * 65_537}),
    ],
)
def test_no_header_can_be_slipped_in(field, facts):
    with pytest.raises(Invalid) as refusal:
        queue(**facts)

    assert [problem.field for problem in refusal.value.problems] == [field]
    assert not Mail.objects.exists()


@pytest.mark.parametrize(
    ("behaviour", "error", "status"),
    [
        ({"answers": {"RCPT": f"550 no such user {make.SYSTEM}"}}, "refused the recipient (550)", MailStatus.DEAD),
        ({"answers": {"RCPT": "450 try later"}}, "refused the recipient (450): try later", MailStatus.PENDING),
        ({"answers": {"MAIL": "550 not you"}}, "refused the sender (550): not you", MailStatus.PENDING),
        ({"answers": {".": f"554 bad link {LINK}"}}, "refused the message (554).", MailStatus.DEAD),
        ({"answers": {".": "451 later"}}, "refused the message (451).", MailStatus.PENDING),
        ({"drops_at": "EHLO"}, "broke off", MailStatus.PENDING),
        ({"hangs_at": "MAIL"}, "did not answer in time", MailStatus.PENDING),
    ],
)
def test_a_server_that_says_no_is_asked_again_unless_it_never_takes_it(behaviour, error, status, monkeypatch):
    monkeypatch.setattr(_smtp, "TIMEOUT_SECONDS", 0.3)
    with sink.running(**behaviour):
        mail = tried(queue())

    assert error in mail.last_error
    assert (mail.status, mail.attempts) == (status, 1)
    assert "canary" not in mail.last_error
    assert mail.next_try_at > timezone.now() + timedelta(seconds=20)


def test_a_password_that_is_refused_is_told_without_it():
    with sink.running(user="bv", password="another") as server:
        sink.settle(smtp_username="bv", smtp_password="opensesame!")
        mail, other = queue(), queue("bob@example.com")
        tried(mail)
        other.refresh_from_db()

    assert mail.last_error == "The mail server refused the user or the password (535)."
    assert other.attempts == 0  # What is wrong with the server need not be found out by every mail.
    assert server.taken == []


def test_where_nobody_listens_mail_waits_longer_each_time_and_is_given_up_at_last():
    sink.settle(smtp_port=1)
    mail = tried(queue(useful_for=timedelta(hours=1)))
    first = mail.next_try_at
    assert (mail.status, mail.last_error) == (
        MailStatus.PENDING,
        "The mail server cannot be reached: Connection refused.",
    )

    due_again(mail)
    second = tried(mail).next_try_at
    Mail.objects.filter(pk=mail.pk).update(give_up_at=timezone.now() + timedelta(seconds=30))
    due_again(mail)
    tried(mail)

    assert second - first > timedelta(seconds=25)
    assert [wait_after(n).total_seconds() for n in (1, 2, 3)] == [30, 60, 120]
    assert wait_after(1000) == LONGEST_WAIT
    assert (mail.status, mail.attempts) == (MailStatus.DEAD, 3)


def test_what_was_given_up_is_sent_again_by_hand_while_its_text_is_there():
    sink.settle(smtp_port=1)
    mail = tried(queue(useful_for=timedelta(seconds=1)))
    assert mail.status == MailStatus.DEAD

    with sink.running() as server:
        services.send_again(mail, actor=make.SYSTEM)
        assert tried(mail).status == MailStatus.SENT
        assert LINK in server.mails[0].get_content()
    with pytest.raises(Conflict):
        services.send_again(mail, actor=make.SYSTEM)

    Mail.objects.filter(pk=queue().pk).update(status=MailStatus.DEAD, give_up_at=timezone.now() - timedelta(days=4))
    services.forget_old_mail(actor=make.SYSTEM)
    with pytest.raises(Conflict, match="text is gone"):
        services.send_again(Mail.objects.get(status=MailStatus.DEAD), actor=make.SYSTEM)
    Mail.objects.update(created_at=timezone.now() - timedelta(days=31), give_up_at=timezone.now() - timedelta(days=30))
    waiting = queue()
    assert tasks.forget_old() == 2
    assert Mail.objects.get() == waiting


def test_mail_that_is_off_waits_and_leaves_nothing_to_be_sent_too_late():
    mail, old = queue(), queue()
    Mail.objects.filter(pk=old.pk).update(give_up_at=timezone.now() - timedelta(seconds=1))

    assert services.send_due(actor=make.SYSTEM) == 0

    old.refresh_from_db()
    assert tried(mail).status == MailStatus.PENDING
    assert (old.status, "too long" in old.last_error) == (MailStatus.DEAD, True)


def test_a_sender_killed_before_its_note_sends_twice_and_loses_nothing(monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with sink.running() as server:
        mail = queue()
        with monkeypatch.context() as patched:
            patched.setattr(services.sending, "note_sent", killed)
            with pytest.raises(KeyboardInterrupt):
                services.send_due(actor=make.SYSTEM)
        mail.refresh_from_db()
        assert (mail.status, mail.attempts) == (MailStatus.PENDING, 1)
        assert services.send_due(actor=make.SYSTEM) == 0  # It may still be on its way.

        due_again(mail)
        assert tried(mail).status == MailStatus.SENT
        assert {one["Message-ID"] for one in server.mails} == {f"<{mail.pk}@example.com>"}
        assert len(server.mails) == 2


def test_links_begin_with_what_the_settings_say():
    with pytest.raises(services.NoPublicAddress, match=r"general\.public_url"):
        services.link_to("/invites/x")

    configuration.change_settings("general", actor=make.SYSTEM, values={"public_url": "https://bv.example.com/base/"})

    assert services.link_to("/invites/x") == "https://bv.example.com/base/invites/x"


def test_keys_of_texts_are_rotated_and_verified():
    mail, canary = queue(), LINK
    before = mail.body
    encryption.rotate_data_key(None, actor=make.SYSTEM)
    encryption.reencrypt_some((Mail, "body"), actor=make.SYSTEM)
    mail.refresh_from_db()

    assert mail.body != before
    assert list(encryption.flaws_of_secrets()) == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(m)::text FROM mail_mail m")
        assert canary not in cursor.fetchone()[0]
    assert not AuditEntry.objects.filter(after__icontains="canary").exists()
