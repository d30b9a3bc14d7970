"""Adding items from a table in the admin."""

from __future__ import annotations

import io

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from apps.audit.models import AuditEntry
from apps.queues import services
from apps.queues.models import ItemUpload
from tests import make
from tests.admin.visitors import Visitor, page_of, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db

SEES = ("queues.view_queue", "queues.view_queueitem")


@pytest.fixture
def queue():
    schema = {"type": "object", "properties": {"number": {"type": "integer"}}}
    return make.queue(schema=schema, unique_references="always")


@pytest.fixture
def sender(queue):
    return with_permissions(*SEES, "queues.add_queueitem", inside=queue.folder)


def send(visitor: Visitor, queue, content: bytes, name="items.csv"):
    file = SimpleUploadedFile(name, content)
    return visitor.client.post(page_of(queue, "upload"), {"file": file})


def report_of(visitor: Visitor, queue, content=b"reference,number\nA,1\nB,2"):
    """The address of the report on a table that was sent."""
    sent = send(visitor, queue, content)
    assert sent.status_code == 302
    return sent["Location"]


def test_a_table_is_sent_reported_on_and_added(queue, sender):
    address = report_of(sender, queue)
    report = text_of(sender.get(address))
    before = queue.items.count()

    done = sender.client.post(address, follow=True)

    assert "<strong>2 items will be added</strong>" in report
    assert (before, queue.items.count()) == (0, 2)
    assert "2 of 2 rows were added" in text_of(done)


def test_confirming_twice_adds_once(queue, sender):
    address = report_of(sender, queue)

    answers = [sender.post(address).status_code for _ in range(2)]

    assert (answers, queue.items.count()) == ([302, 302], 2)


def test_what_is_wrong_is_shown_by_row_and_column_and_cannot_be_added(queue, sender):
    address = report_of(sender, queue, b"reference,number\nA,1\nB,<b>two</b>")
    page = text_of(sender.get(address))

    refused = sender.post(address)

    assert '<td>3</td><td class="op-mono">number</td>' in page
    assert "<b>two</b>" not in page
    assert (refused.status_code, queue.items.count()) == (200, 0)


def test_what_the_queue_has_is_listed_as_left_out(queue, sender):
    make.item(queue, reference="A", payload={"number": 1})

    page = text_of(sender.get(report_of(sender, queue)))

    assert "<strong>1 item will be added</strong>" in page
    assert '<td>2</td><td class="op-mono">A</td>' in page


def test_the_same_contents_again_have_to_be_asked_for(queue, sender):
    content = b"number\n1\n2"
    sender.post(report_of(sender, queue, content))
    address = report_of(sender, queue, content)

    refused = sender.post(address)
    count = queue.items.count()
    added = sender.post(address, {"again": "on"})

    assert "same contents" in text_of(refused)
    assert (refused.status_code, count) == (200, 2)
    assert (added.status_code, queue.items.count()) == (302, 4)


def test_a_table_is_forgotten_when_its_sender_says_so(queue, sender):
    sender.post(report_of(sender, queue), {"discard": "1"})

    assert (ItemUpload.objects.count(), queue.items.count()) == (0, 0)


@pytest.mark.parametrize("content", [b"colour\nred", b"PK\x03\x04broken", b"\xff\xfe", b"reference"])
def test_a_file_that_cannot_be_read_is_refused_at_its_field(queue, sender, content):
    page = send(sender, queue, content)

    assert page.status_code == 200
    assert page.context["form"].errors.keys() == {"file"}


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(queue, sender):
    answers = [send(sender, queue, b"reference\n" + b"x" * size * 1024 * 1024).status_code for size in (5, 7)]

    assert answers == [200, 413]


def test_nobody_else_reads_a_table_or_adds_it(queue, sender):
    address = report_of(sender, queue)
    others = [superuser(), with_permissions(*SEES, "queues.add_queueitem", inside=queue.folder)]

    answers = [(other.get(address).status_code, other.post(address).status_code) for other in others]

    assert answers == [(404, 404)] * 2
    assert not queue.items.exists()


def test_it_takes_the_permission_to_add(queue):
    viewer = with_permissions(*SEES, inside=queue.folder)
    stranger = with_permissions(*SEES, "queues.add_queueitem", inside=make.tenant())

    answers = [one.get(page_of(queue, "upload")).status_code for one in (viewer, stranger)]

    assert answers == [403, 404]
    assert "Upload a table" not in text_of(viewer.open(queue))
    assert AuditEntry.objects.filter(actor_id=viewer.actor.id).exists()


def test_the_queues_page_leads_there(queue, sender):
    assert page_of(queue, "upload") in text_of(sender.open(queue))


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_empty_table_has_the_queues_columns_and_can_be_filled_in(queue, sender, kind):
    answer = sender.get(reverse("admin:queues_queue_upload_template", args=[queue.pk, kind]))
    columns = ["reference", "priority", "available_at", "deadline", "tags", "number"]

    assert answer.headers["Content-Disposition"] == f'attachment; filename="items-template.{kind}"'
    assert {"csv": first_line, "xlsx": first_row}[kind](answer.content) == columns == services.known_columns(queue)


def first_line(content: bytes) -> list[str]:
    return content.decode().strip().split(",")


def first_row(content: bytes) -> list[str]:
    return [cell.value for cell in next(openpyxl.load_workbook(io.BytesIO(content)).worksheets[0].rows)]


def test_there_is_no_template_of_another_kind(queue, sender):
    address = reverse("admin:queues_queue_upload_template", args=[queue.pk, "exe"])

    assert sender.get(address).status_code == 404
