"""Pages of mail: what left, what waits and what was given up. Nobody is shown a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from apps.core.admin import display, filters, refusals
from apps.core.admin.forms import OperatorForm
from apps.core.admin.operations import Operation
from apps.core.admin.pages import OperatorAdmin
from apps.core.admin.panels import Facts, Page
from apps.core.api.callers import actor_of
from apps.core.errors import DomainError
from apps.mail import services
from apps.mail.models import Mail, MailStatus
from apps.rbac import services as rbac

SEND = "mail.send_mail"
TONES: Final[Mapping[str, str]] = {
    MailStatus.PENDING: display.Tone.BUSY,
    MailStatus.SENT: display.Tone.GOOD,
    MailStatus.DEAD: display.Tone.BAD,
}


class TestForm(OperatorForm):
    """Asks where a test mail goes."""

    to = forms.EmailField(label="Send a test mail to", required=False)

    def offer(self) -> None:
        self.fields["to"].initial = getattr(self.actor.user, "email", "")


def test_panel(request: HttpRequest) -> SafeString | str:
    """Return what stands beside the settings of mail: a button that has a test sent, and what became of the last."""
    actor = actor_of(request)
    if not rbac.allows(actor, SEND, rbac.EVERYWHERE):
        return ""
    last = Mail.objects.tests().order_by("-created_at").first()
    badge = display.badge(last.get_status_display(), TONES[last.status]) if last is not None else ""
    address = reverse("admin:mail_test")
    context = {"form": TestForm(actor=actor), "last": last, "badge": badge, "address": address}
    return render_to_string("mail/test.html", context, request)


def send_test(request: HttpRequest) -> HttpResponse:
    """Have a test mail sent, and lead back to where the settings of mail are."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    actor = actor_of(request)
    form = TestForm(request.POST, actor=actor)
    if not form.is_valid():
        messages.error(request, "That is no e-mail address: nothing was sent.")
    else:
        try:
            mail = services.send_test(form.cleaned_data["to"], actor=actor)
            messages.success(request, f"A test mail to {mail.to} is queued. What became of it stands below.")
        except DomainError as refusal:
            refusals.note(refusal)
            messages.error(request, str(refusal))
    return HttpResponseRedirect(f"{reverse('admin:settings')}#email")


@display.column("")
def error_column(mail: Mail) -> str:
    """Show what went wrong last."""
    return mail.last_error


@admin.register(Mail)
class MailAdmin(OperatorAdmin):
    """Messages that this installation has sent or is to send."""

    list_display = [
        "to",
        "subject",
        display.status(TONES),
        "attempts",
        error_column,
        display.when("created_at", "Queued"),
        display.when("sent_at", "Sent"),
    ]
    list_display_links = ["to", "subject"]
    list_filter = [filters.choice("status"), filters.choice("purpose")]
    search_fields = ["to", "subject"]
    ordering = ["-id"]
    sortable_by = ()
    empty_title = "No mail yet"
    empty_text = "Invitations and links for a new password appear here, without their texts."
    empty_icon = "mail"
    operations = [
        Operation(
            name="again",
            title="Send again",
            permission=SEND,
            service=services.send_again,
            explain="It is tried at once, and as often as a new one. A link in it may have ended meanwhile.",
            icon="forward_to_inbox",
            done="The mail is queued again.",
            applies=lambda mail: mail.status == MailStatus.DEAD and bool(mail.body),
            is_bulk=True,
            is_main=True,
        ),
    ]

    def title_of(self, row: Mail) -> str:
        return row.subject

    def page(self, request: HttpRequest, row: Mail) -> Page:
        waits = row.status == MailStatus.PENDING
        facts = [
            ("Recipient", row.to),
            ("Purpose", row.purpose),
            ("Tenant", row.tenant or "the whole installation"),
            ("Queued", display.moment(row.created_at)),
            ("Queued by", row.queued_by),
            ("Tries", row.attempts),
            *([("Next try", display.moment(row.next_try_at))] if waits else []),
            *([("Given up after", display.moment(row.give_up_at))] if waits else []),
            ("Sent", display.moment(row.sent_at)),
            ("Last error", row.last_error or display.NOTHING),
            ("Id", row.pk),
        ]
        badge = display.badge(row.get_status_display(), TONES[row.status])
        notices = ["Its text is gone."] if row.status == MailStatus.DEAD and not row.body else []
        return Page(badges=[badge], notices=notices, main=[Facts("About it", facts)])
