"""Files of items, and stores of files, on the pages of the admin."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.audit.models import AuditEntry
from apps.queues import services
from apps.queues.models import ItemFile, StoredFile
from tests import make
from tests.admin.visitors import Visitor, list_of, page_of, superuser, text_of, with_permissions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shelf")]


def a_file(content=b"a;b", name="a.csv", kind="text/csv"):
    return SimpleUploadedFile(name, content, kind)


def bring(visitor, row, **asked):
    return visitor.post(page_of(row, "bring"), {"file": a_file(), **asked})


def test_an_item_and_its_retry_list_their_files():
    file = make.item_file(content=b"x" * 2048, name="<b>invoice</b>.pdf")
    report = services.Report("failed", error_type="business", error_reason="No number.")
    item = services.finish_item(make.taken(file.item.queue), actor=make.SYSTEM, report=report).item
    again = services.requeue_item(item, actor=make.SYSTEM)
    visitor = superuser()

    pages = [text_of(visitor.open(one)) for one in (item, again)]

    for shown in ("&lt;b&gt;invoice&lt;/b&gt;.pdf", "2.0 KiB", f"{file.pk}/download/"):
        assert [shown in page for page in pages] == [True, True]


def test_an_item_without_files_has_no_such_list():
    assert 'id="files"' not in text_of(superuser().open(make.item()))


def test_a_file_is_brought_under_its_own_name_or_another():
    item, visitor = make.item(), superuser()

    bring(visitor, item)
    bring(visitor, item, name="Übersicht.csv")

    assert set(ItemFile.objects.values_list("name", "content_type", "size_bytes")) == {
        ("a.csv", "text/csv", 3), ("Übersicht.csv", "text/csv", 3),
    }  # fmt: skip


def test_a_file_may_be_larger_than_a_form_and_so_may_a_calendar():
    store, calendar, visitor = make.file_store(), make.calendar(), superuser()
    large = a_file(b"x" * 2 * 1024 * 1024)

    bring(visitor, store, file=large)
    refused = visitor.post(page_of(calendar, "import"), {"text": a_file(b"x" * 1_500_000, "a.ics")})

    assert StoredFile.objects.get().size_bytes == large.size
    assert refused.status_code == 200


def test_who_has_not_signed_in_sends_no_large_file():
    answer = Client().post(page_of(make.file_store(), "bring"), {"file": a_file(b"x" * 2 * 1024 * 1024)})

    assert answer.status_code == 413


def test_a_file_is_replaced_only_where_that_is_said():
    store, visitor = make.file_store(), superuser()
    bring(visitor, store, name="2026/a.csv")

    refused = visitor.post(page_of(store, "bring"), {"file": a_file(b"new"), "name": "2026/a.csv"})
    done = visitor.post(page_of(store, "bring"), {"file": a_file(b"new"), "name": "2026/a.csv", "replaces": "on"})

    assert "There is a file “2026/a.csv” already." in text_of(refused)
    assert (done.status_code, StoredFile.objects.get().size_bytes) == (302, 3)
    assert AuditEntry.objects.filter(action="filestore.file_written").latest("seq").before["size"] == 3


@pytest.mark.parametrize("name", ["../a", "a\\b", "a/b"])
def test_a_name_that_is_none_is_refused_at_its_field(name):
    item = make.item()

    response = bring(superuser(), item, name=name)

    assert response.context["form"].errors["name"]
    assert not ItemFile.objects.exists()


def test_what_is_too_large_is_refused(settings):
    settings.ITEM_FILE_LIMIT_BYTES = 2
    item = make.item()

    assert "one has at most 2" in text_of(bring(superuser(), item))


def test_a_file_that_was_replaced_meanwhile_is_not_deleted():
    file, visitor = make.stored_file(path="a"), superuser()
    make.stored_file(file.store, b"newer", path="a")

    assert visitor.post(page_of(file, "delete"), {}).status_code == 404
    assert StoredFile.objects.get().size_bytes == 5


@pytest.mark.parametrize("maker", [make.item_file, make.stored_file])
def test_a_file_is_downloaded_as_an_attachment_and_that_is_noted(maker):
    file = maker(content=b"<script>", content_type="text/html")

    answer = superuser().get(page_of(file, "download"))

    assert b"".join(answer.streaming_content) == b"<script>"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert AuditEntry.objects.filter(action__endswith="file_downloaded").count() == 1


@pytest.mark.parametrize("maker", [make.item_file, make.stored_file])
def test_what_one_may_not_see_one_may_not_download(maker):
    file = maker()
    stranger = Visitor(make.user("queues.view_queueitem", "queues.view_filestore", inside=make.tenant()))

    assert stranger.get(page_of(file, "download")).status_code == 404


def test_who_holds_it_in_the_folder_deletes_files():
    file = make.stored_file(make.file_store())
    folder = file.store.folder
    viewer = with_permissions("queues.view_filestore", inside=folder)
    remover = with_permissions("queues.view_filestore", "queues.delete_storedfile", inside=folder)

    refused, done = viewer.post(page_of(file, "delete"), {}), remover.post(page_of(file, "delete"), {})

    assert (refused.status_code, done.status_code) == (403, 302)
    assert not StoredFile.objects.exists()


def test_a_store_says_what_it_holds_and_a_long_list_leads_on(monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr("apps.queues.admin.files.MOST_SHOWN", 1)
    store, _ = make.file_store(name="Rates"), make.file_store(name="Empty")
    for path in ("a", "b"):
        make.stored_file(store, b"x" * 1024, path=path)
    visitor = superuser()

    listed, page = text_of(visitor.get(list_of(type(store)))), text_of(visitor.open(store))

    assert "2.0 KiB" in listed
    assert "Rates" in listed
    assert f'href="{list_of(StoredFile)}?store__id__exact={store.pk}"' in page


def test_the_trail_of_a_file_is_that_of_what_it_belongs_to():
    file = make.stored_file()

    assert f"target={file.store_id}" in text_of(superuser().open(file))
