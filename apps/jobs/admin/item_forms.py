"""What adding items and the operations on them ask for."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.core.admin.forms import MomentInput, OperatorForm, Section
from apps.jobs.admin.payloads import PREFIX, PayloadForm
from apps.queues import services
from apps.queues.models import Queue, ReviewStatus
from apps.queues.models.items import LONGEST_REFERENCE
from apps.queues.models.queues import HIGHEST_PRIORITY, LOWEST_PRIORITY

#: What a review comes to, the most usual first.
_REVIEWS = [
    (status.value, str(status.label).capitalize())
    for status in (
        ReviewStatus.VERIFIED,
        ReviewStatus.IN_REVIEW,
        ReviewStatus.OPEN,
        ReviewStatus.RETRIED,
        ReviewStatus.NONE,
    )
]
_OPTIONS = ("reference", "priority", "available_at", "deadline", "tags")


class TagsField(forms.CharField):
    """Tags with commas between them."""

    def clean(self, value: Any) -> list[str]:
        """Return the tags as a list."""
        return [tag for tag in (part.strip() for part in str(super().clean(value)).split(",")) if tag]


class AddItemForm(OperatorForm):
    """The payload as its queue says, then its place in line."""

    #: Whether the payload is typed as JSON although the schema says how to draw it.
    as_json = False

    reference = forms.CharField(
        required=False,
        max_length=LONGEST_REFERENCE,
        help_text="Your own name of it, such as an invoice's number. It is found by it.",
    )
    priority = forms.IntegerField(required=False, min_value=LOWEST_PRIORITY, max_value=HIGHEST_PRIORITY)
    available_at = forms.DateTimeField(
        label="Not before",
        required=False,
        widget=MomentInput(),
        help_text="In your time zone. Empty: as soon as somebody takes it.",
    )
    deadline = forms.DateTimeField(
        required=False, widget=MomentInput(), help_text="In your time zone. Among equals the nearest goes first."
    )
    tags = TagsField(required=False, help_text="With commas between.")

    @property
    def queue(self) -> Queue:
        """Where the item will wait."""
        return self.place  # type: ignore[no-any-return]

    def offer(self) -> None:
        """Put the controls of the payload before the options."""
        schema = self.queue.schema
        self.payload_form = PayloadForm(schema.document if schema else None, as_json=self.as_json)
        self.fields = self.payload_form.fields | self.fields
        self.fields["priority"].help_text = f"Higher goes sooner. Empty: {self.queue.default_priority}."

    @property
    def sections(self) -> list[Section]:  # type: ignore[override]
        """The payload, then the options."""
        drawn = [name for name in self.fields if name == PREFIX or name.startswith(f"{PREFIX}.")]
        return [Section("Payload", drawn), Section("Place in line", _OPTIONS)]

    def clean(self) -> dict[str, Any]:
        """Return the queue and the item that is wanted."""
        values = super().clean() or self.cleaned_data
        if self.errors:
            return values
        options: dict[str, Any] = {name: values.get(name) for name in _OPTIONS}
        return {"queue": self.queue, "wanted": services.Wanted(payload=self.payload_form.read(values), **options)}


class AddItemAsJsonForm(AddItemForm):
    """The same with the payload typed as JSON."""

    as_json = True


class PostponeForm(OperatorForm):
    """Asks until when."""

    until = forms.DateTimeField(
        widget=MomentInput(), help_text="In your time zone. A moment in the past makes it available now."
    )


class ItemPriorityForm(OperatorForm):
    """Asks for a place in line."""

    priority = forms.IntegerField(
        min_value=LOWEST_PRIORITY,
        max_value=HIGHEST_PRIORITY,
        help_text=f"Higher goes sooner. From {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}.",
    )


class ReviewForm(OperatorForm):
    """Asks what a person thinks of an item that is over."""

    status = forms.ChoiceField(choices=_REVIEWS, widget=forms.RadioSelect, initial=ReviewStatus.VERIFIED)
    comment = forms.CharField(
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Others see it on the item.",
    )
