"""Tables of items: read, reported on, added."""

from __future__ import annotations

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import openpyxl
import pytest
from django.db import connection
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import Conflict, Invalid, NotAllowed, TooLarge
from apps.queues import services, tasks
from apps.queues.models import ItemUpload, QueueItem
from tests import make

pytestmark = pytest.mark.django_db

SCHEMA = {
    "type": "object",
    "required": ["number"],
    "properties": {
        "number": {"type": "integer"},
        "amount": {"type": "number"},
        "paid": {"type": "boolean"},
        "customer": {"type": "string"},
        "place": {"type": "object", "properties": {"zip": {"type": "string"}}},
        "lines": {"type": "array"},
    },
}


@pytest.fixture
def queue():
    return make.queue(schema=SCHEMA, unique_references="always")


@pytest.fixture
def sender(queue):
    return Actor.person(make.user("queues.add_queueitem", inside=queue.folder))


def csv(*lines: str, encoding: str = "utf-8") -> bytes:
    return "\r\n".join(lines).encode(encoding)


def xlsx(*rows: list) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def check(queue, sender, content, name="items.csv"):
    return services.check_upload(queue, actor=sender, name=name, content=content)


def added(queue, sender, content):
    services.add_upload(check(queue, sender, content), actor=sender)
    return list(queue.items.order_by("id"))


def problems(upload):
    return [(row, column) for row, column, _ in upload.problems]


def test_nothing_is_added_before_its_sender_says_so(queue, sender):
    upload = check(queue, sender, csv("reference,number", "A,1", "B,2"))
    before = queue.items.count()

    services.add_upload(upload, actor=sender)

    assert (before, upload.total, upload.problem_count) == (0, 2, 0)
    assert list(queue.items.order_by("id").values_list("reference", "payload")) == [
        ("A", {"number": 1}), ("B", {"number": 2}),
    ]  # fmt: skip


def test_columns_say_everything_that_can_be_said_of_an_item(queue, sender):
    [item] = added(queue, sender, csv(
        "Reference;priority;available_at;deadline;tags;number;amount;paid;customer;payload.place.zip;lines",
        'INV-1;5;2026-12-01 08:00;2026-12-24T08:00:00+01:00;"eu, vip";7;12.50;yes;007;01067;"[1, 2]"',
    ))  # fmt: skip

    assert (item.reference, item.priority, item.tags) == ("INV-1", 5, ["eu", "vip"])
    assert item.available_at == timezone.make_aware(datetime(2026, 12, 1, 8))  # noqa: DTZ001 - the sender's zone
    assert item.deadline == datetime(2026, 12, 24, 7, tzinfo=UTC)
    assert item.payload == {
        "number": 7, "amount": 12.5, "paid": True, "customer": "007", "place": {"zip": "01067"}, "lines": [1, 2],
    }  # fmt: skip


def test_a_workbook_says_the_same(queue, sender):
    [item] = added(queue, sender, xlsx(
        ["reference", "priority", "available_at", "number", "amount", "paid", "customer"],
        [4711, 5, datetime(2026, 12, 1, 8), 7.0, 12.5, True, 7],  # noqa: DTZ001 - as spreadsheets have it
        [None, None, None, None, None, None, None],
    ))  # fmt: skip

    assert (item.reference, item.priority) == ("4711", 5)
    assert item.available_at == timezone.make_aware(datetime(2026, 12, 1, 8))  # noqa: DTZ001
    assert item.payload == {"number": 7, "amount": 12.5, "paid": True, "customer": "7"}


def test_a_whole_payload_and_fields_of_it_go_together(sender):
    queue = make.queue(sender_folder(sender))

    items = added(queue, sender, csv("payload,payload.b", '"{""a"": 1}",x', "[1],", "3,", ",y"))

    assert [item.payload for item in items] == [{"a": 1, "b": "x"}, [1], 3, {"b": "y"}]


def sender_folder(sender):
    return sender.user.role_assignments.get().folder


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_text_is_read_with_and_without_a_mark_and_by_its_separator(queue, sender, encoding, separator):
    content = csv(separator.join(["reference", "number", "customer"]), separator.join(["Ä", "1", "Größe"]),
                  encoding=encoding)  # fmt: skip

    [item] = added(queue, sender, content)

    assert (item.reference, item.payload["customer"]) == ("Ä", "Größe")


def test_what_looks_like_a_formula_is_text_and_a_formula_is_refused(queue, sender):
    [item] = added(queue, sender, csv("number,customer", '1,"=HYPERLINK(""http://x"")"'))
    upload = check(queue, sender, xlsx(["number", "customer"], ["=1+1", "x"]))

    assert item.payload["customer"] == '=HYPERLINK("http://x")'
    assert problems(upload) == [(2, "number")]
    assert "formula" in upload.problems[0][2]


def test_everything_that_is_wrong_is_told_by_row_and_column_and_nothing_is_added(queue, sender):
    upload = check(queue, sender, csv(
        "reference,priority,available_at,number,amount,paid,lines",
        "A,1,,1,,,",
        "B,high,2026-02-30,x,1.000.000,maybe,[1",
        "A,1001,31.12.2026,1,,,",
        "C,,2150-01-01,,,,",
        "D,,,1,NaN,,\"{}\"",
    ))  # fmt: skip

    assert problems(upload) == [
        (3, "amount"), (3, "available_at"), (3, "lines"), (3, "number"), (3, "paid"), (3, "priority"),
        (4, "available_at"),
        (5, "available_at"), (5, "payload"),
        (6, "amount"), (6, "lines"),
    ]  # fmt: skip
    assert upload.rows is None
    with pytest.raises(services.UploadHasProblems):
        services.add_upload(upload, actor=sender)
    assert not queue.items.exists()


def test_a_reference_that_stands_twice_in_the_file_is_wrong(queue, sender):
    upload = check(queue, sender, csv("reference,number", "A,1", "B,1", "A,2"))

    assert problems(upload) == [(4, "reference")]
    assert "row 2" in upload.problems[0][2]


def test_where_references_need_not_be_unique_they_may_repeat(sender):
    queue = make.queue(sender_folder(sender))

    assert len(added(queue, sender, csv("reference", "A", "A"))) == 2


def test_rows_whose_reference_the_queue_has_are_left_out_also_those_that_came_meanwhile(queue, sender):
    make.item(queue, reference="A", payload={"number": 1})
    upload = check(queue, sender, csv("reference,number", "A,1", "B,1", "C,1"))
    make.item(queue, reference="B", payload={"number": 1})

    services.add_upload(upload, actor=sender)

    assert (upload.taken, upload.taken_count) == ([[2, "A"]], 1)
    assert (upload.added, sorted(queue.items.values_list("reference", flat=True))) == (1, ["A", "B", "C"])


def test_what_was_added_is_not_added_again(sender):
    queue = make.queue(sender_folder(sender))
    content = csv("payload.n", "1", "2")
    first = check(queue, sender, content)

    services.add_upload(first, actor=sender)
    services.add_upload(first, actor=sender)
    again = check(queue, sender, content, name="copy.csv")
    with pytest.raises(services.AddedBefore):
        services.add_upload(again, actor=sender)

    assert queue.items.count() == 2
    assert services.add_upload(again, actor=sender, again=True).added == 2


def test_thousands_are_added_in_one_go_with_one_entry_in_the_trail(sender):
    queue = make.queue(sender_folder(sender))
    upload = check(queue, sender, csv("reference", *(f"INV-{number}" for number in range(2500))))

    services.add_upload(upload, actor=sender)

    assert (upload.added, queue.items.count(), upload.rows) == (2500, 2500, None)
    [entry] = AuditEntry.objects.filter(action="items.uploaded", actor_id=sender.id)
    assert entry.target_id == queue.pk
    assert set(queue.items.values_list("created_by", flat=True)) == {str(sender)}


def test_a_schema_that_changed_meanwhile_counts_and_nothing_is_added(queue, sender):
    upload = check(queue, sender, csv("number", "1", "2"))
    services.update_queue(queue, actor=make.SYSTEM, schema={"type": "array"})
    upload.refresh_from_db()

    with pytest.raises(Invalid):
        services.add_upload(upload, actor=sender)

    assert not queue.items.exists()


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * 50 * 1024 * 1024)
    return file.getvalue()


def with_part(content: bytes, name: str, text: str | bytes) -> bytes:
    """The same workbook, one of whose parts is another."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            new.writestr(part, text if part == name else old.read(part))
    return file.getvalue()


def laughing(levels: int, encoding: str = "utf-8") -> bytes:
    """A workbook whose sheet is an XML document that grows when it is read."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, levels + 1))
    cells = "".join(f'<row><c t="str"><v>{text}</v></c></row>' for text in ("reference", f"&l{levels};"))
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE x [<!ENTITY l0 "lol">{entities}]>'
    sheet += f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>'
    return with_part(xlsx(["reference"], ["A"]), "xl/worksheets/sheet1.xml", sheet.encode(encoding))


def styled(size: int) -> bytes:
    """A workbook with a description of its looks as large as this."""
    return with_part(xlsx(["reference"], ["A"]), "xl/styles.xml", "<styleSheet/>".ljust(size))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n\r\n",
        b"reference",
        b"reference\r\n\r\n",
        b"reference\r\n\xff",
        "reference\r\nA".encode("utf-16"),
        b"reference\r\nA\0",
        b'reference\r\n"A',
        b"reference\r\n" + b"x" * 200_000,
        b"PK\x03\x04 and nothing else",
        b"colour\r\nred",
        b"reference,Reference\r\nA,B",
        b"payload..a\r\n1",
        pytest.param(laughing(9), id="entities"),
        pytest.param(laughing(1), id="few entities"),
        pytest.param(laughing(1, "utf-16"), id="entities in another encoding"),
        pytest.param(xlsx(), id="empty workbook"),
        pytest.param(xlsx(["reference", "x"], ["A", "B"])[:-200], id="cut off"),
    ],
)
def test_what_cannot_be_read_is_refused_by_the_name_of_the_field(queue, sender, content):
    with pytest.raises(Invalid) as refused:
        check(queue, sender, content)

    assert [problem.field for problem in refused.value.problems] == ["file"]
    assert not ItemUpload.objects.exists()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"x" * (5 * 1024 * 1024 + 1), id="bytes"),
        pytest.param(csv("reference", *["A"] * 10_001), id="rows"),
        pytest.param(csv(",".join(f"payload.c{n}" for n in range(101))), id="columns"),
        pytest.param(bomb(), id="bomb"),
        pytest.param(styled(1024 * 1024 + 1), id="styles"),
        pytest.param(xlsx(["payload.text"], *[["x" * 32_000]] * 400), id="a long text in every row"),
    ],
)
def test_what_is_too_large_is_refused(queue, sender, content):
    with pytest.raises(TooLarge):
        check(queue, sender, content)


def test_of_a_workbook_only_the_first_sheet_is_read(sender):
    book, file = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["reference"])
    book.active.append(["A"])
    book.create_sheet("Notes")
    book.save(file)
    queue = make.queue(sender_folder(sender))

    upload = check(queue, sender, with_part(file.getvalue(), "xl/worksheets/sheet2.xml", "<broken"))

    assert upload.total == 1


def test_of_what_a_schema_says_so_much_is_told_as_somebody_reads(sender):
    queue = make.queue(sender_folder(sender), schema={"allOf": [{"type": "array"}] * 50})

    upload = check(queue, sender, csv("payload.text", "x" * 5_000))

    assert upload.problem_count == 20
    assert max(len(message) for *_, message in upload.problems) <= 301


@pytest.mark.django_db(transaction=True)
def test_of_two_who_add_the_same_table_at_once_one_is_told_that_it_was_added(sender):
    queue = make.queue(sender_folder(sender))
    uploads = [check(queue, sender, csv("reference", *map(str, range(2_000)))) for _ in range(2)]
    both = Barrier(2)

    def add(upload):
        try:
            both.wait()
            return services.add_upload(upload, actor=sender).added
        except services.AddedBefore:
            return 0
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        added = sorted(pool.map(add, uploads))

    assert added == [0, 2_000]


@pytest.mark.parametrize(
    "text", ['"{""a"": ""\\u0000""}"', '"' + "[" * 40 + "]" * 40 + '"', "NaN", '"{""a"":1,""a"":2}"']
)
def test_json_that_could_not_be_kept_is_refused_in_its_row(sender, text):
    queue = make.queue(sender_folder(sender))

    assert problems(check(queue, sender, csv("payload", text))) == [(2, "payload")]


def test_needs_the_permission_to_add(queue):
    viewer = Actor.person(make.user("queues.view_queue", inside=queue.tenant))

    with pytest.raises(NotAllowed):
        check(queue, viewer, csv("number", "1"))


def test_a_deleted_queue_takes_no_table(queue, sender):
    services.delete_queue(queue, actor=make.SYSTEM)
    queue.refresh_from_db()

    with pytest.raises(Conflict):
        check(queue, sender, csv("number", "1"))


def test_a_table_nobody_says_a_word_about_is_forgotten_and_what_was_added_stays_known(queue, sender):
    old, new, done = (check(queue, sender, csv("number", str(number))) for number in range(3))
    services.add_upload(done, actor=sender)
    for one in (old, done):
        ItemUpload.objects.filter(pk=one.pk).update(created_at=timezone.now() - timedelta(hours=25))

    tasks.forget_uploads()

    assert set(ItemUpload.objects.values_list("pk", flat=True)) == {new.pk, done.pk}
    assert QueueItem.objects.count() == 1

    ItemUpload.objects.filter(pk=done.pk).update(added_at=timezone.now() - timedelta(days=91))
    tasks.forget_uploads()
    assert list(ItemUpload.objects.all()) == [new]


def test_a_table_is_its_senders_alone(queue, sender):
    upload = check(queue, sender, csv("number", "1"))
    other = Actor.person(make.user("queues.add_queueitem", inside=queue.folder))

    seen = [list(ItemUpload.objects.visible_to(one)) for one in (sender, other, make.SYSTEM)]

    assert seen == [[upload], [], []]


def test_headings_of_the_template_are_read_again():
    awkward = {"type": "object", "properties": {name: {"type": "string"} for name in ("a", "tags", "=x", "payload")}}
    queue = make.queue(schema=awkward)
    headings = services.known_columns(queue)

    upload = check(queue, Actor.person(make.user(superuser=True)), csv(",".join(headings), "," * 5 + "1,2,3,4"))

    assert headings[5:] == ["a", "payload.tags", "payload.=x", "payload.payload"]
    assert upload.rows[0]["payload"] == {"a": "1", "tags": "2", "=x": "3", "payload": "4"}
