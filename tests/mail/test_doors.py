"""The doors of mail: the test mail of API and admin, and the list."""

import pytest
from django.urls import reverse

from apps.audit.models import AuditEntry
from apps.mail import services
from apps.mail.models import Mail, MailStatus
from tests import api, make
from tests.admin.visitors import holding, list_of, page_of, superuser, text_of, with_permissions
from tests.mail import sink

pytestmark = pytest.mark.django_db
TEST = "settings/email/test"


def test_a_test_mail_is_queued_and_leaves_but_not_more_than_five_a_minute():
    off = api.root().call("POST", TEST, {"to": "ann@example.com"})
    with sink.running() as server:
        assert api.fields_refused(api.root().call("POST", TEST, {"to": "nobody"})) == {"to"}
        answers = [api.root().call("POST", TEST, {"to": "ann@example.com"}) for _ in range(6)]
        services.send_due(actor=make.SYSTEM)

    assert (off.status_code, off.json()["code"]) == (409, "mail_off")
    assert [one.status_code for one in answers] == [200] * 5 + [429]
    assert answers[0].json() == {"status": "queued"}
    assert answers[5].headers["Retry-After"] == "60"
    assert len(server.taken) == 5
    assert AuditEntry.objects.filter(action="mail.tested").count() == 5


def test_a_test_mail_takes_its_own_permission_over_the_installation():
    mine = make.tenant()
    inside = api.Caller(make.service_account(mine, "mail.send_mail", "configuration.view_setting"), key_in=mine)
    without = make.user("configuration.change_setting", "configuration.view_setting")

    assert inside.call("POST", TEST, {"to": "ann@example.com"}).status_code == 403
    assert api.Caller(without).call("POST", TEST, {"to": "ann@example.com"}).status_code == 403
    assert api.fields_refused(api.root().call("POST", TEST)) == {"to"}


def test_the_page_of_settings_sends_a_test_and_shows_what_became_of_it():
    page, send = reverse("admin:settings"), reverse("admin:mail_test")
    visitor = superuser()
    assert "Mail is switched off" in text_of(visitor.client.post(send, {"to": "ann@example.com"}, follow=True))

    with sink.running(answers={"RCPT": "550 who is that <b>?"}):
        asked = text_of(visitor.client.post(send, {"to": "ann@example.com"}, follow=True))
        services.send_due(actor=make.SYSTEM)
    shown = text_of(visitor.get(page))

    assert "A test mail to ann@example.com is queued" in asked
    assert "given up" in shown
    assert "refused the recipient (550): who is that &lt;b&gt;?" in shown
    assert "no e-mail address" in text_of(visitor.client.post(send, {"to": "ann"}, follow=True))
    assert visitor.client.get(send).status_code == 405
    assert "Send test mail" not in text_of(with_permissions("configuration.view_setting").get(page))
    assert with_permissions("configuration.view_setting").client.post(send, {"to": "a@example.com"}).status_code == 302
    assert Mail.objects.count() == 1


def test_the_list_shows_no_texts_and_only_what_one_may_see():
    mine, other = make.tenant(), make.tenant()
    facts = {"subject": "Hello", "text": "the canary words", "purpose": "invite"}
    mail = services.queue_mail("ann@example.com", actor=make.SYSTEM, tenant=mine, **facts)
    services.queue_mail("bob@example.com", actor=make.SYSTEM, tenant=other, **facts)
    services.queue_mail("eve@example.com", actor=make.SYSTEM, **facts)
    mail.move_to(MailStatus.DEAD, last_error="The mail server refused the recipient (550): gone")

    shown = holding("Administrator", mine).get(list_of(Mail))
    page = holding("Administrator", mine).get(page_of(mail))

    assert "ann@example.com" in text_of(shown)
    assert "given up" in text_of(shown)
    assert not any(name in text_of(shown) for name in ("bob@", "eve@"))
    assert b"canary" not in shown.content + page.content
    assert mail.body not in page.content.decode()
    assert "Send again" in text_of(page)
