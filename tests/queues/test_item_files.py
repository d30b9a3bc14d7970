"""Files of items: written once and whole, the same for all tries, within limits, and gone after their rows."""

from __future__ import annotations

import hashlib
import io
import os
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import NotAllowed, TooLarge
from apps.events.models import Event
from apps.queues import services
from apps.queues.models import ItemFile, QueueItem
from apps.rbac import services as rbac
from tests import api, make
from tests.shelves import files_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shelf")]

CONTENT = b"amount;customer\n12;Jones\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def item():
    return make.item()


def put(caller: api.Caller, item: QueueItem, content: bytes = CONTENT, name: str = "a.csv", **headers: str) -> Any:
    path = f"{api.ROOT}queue-items/{item.pk}/files/{quote(name, safe='')}"
    kind = headers.pop("kind", "text/csv")
    return api.whole(caller.client.generic("PUT", path, content, kind, headers=headers))


def place_of(file: ItemFile) -> Path:
    return Path(services.FILES.storage.path(file.storage_name))


class TestWriting:
    def test_a_file_is_kept_with_its_name_kind_size_and_hash(self, item):
        answer = put(api.root(), item, kind="text/csv; charset=utf-8", **{"X-Content-SHA256": SHA256})

        kept = ItemFile.objects.get()
        assert answer.status_code == 201
        assert (kept.name, kept.content_type, kept.size_bytes, kept.sha256) == ("a.csv", "text/csv", 25, SHA256)
        assert answer.json()["download_url"] == f"/api/v1/queue-items/{item.pk}/files/a.csv"
        assert place_of(kept).read_bytes() == CONTENT
        assert Event.objects.filter(type="item.file_written", subject_id=item.pk).count() == 1

    def test_the_same_again_changes_nothing(self, item, shelf):
        root = api.root()

        first, again = put(root, item), put(root, item)

        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()
        assert len(files_in(shelf)) == 1
        assert Event.objects.filter(type="item.file_written").count() == 1

    def test_another_content_takes_the_place_of_the_first(self, item, shelf, django_capture_on_commit_callbacks):
        root = api.root()
        put(root, item)

        with django_capture_on_commit_callbacks(execute=True):
            answer = put(root, item, b"other")

        kept = ItemFile.objects.get()
        assert (answer.status_code, kept.sha256) == (200, hashlib.sha256(b"other").hexdigest())
        assert files_in(shelf) == [place_of(kept)]

    def test_a_retry_shows_the_files_of_the_first_try_and_adds_to_them(self, item):
        root = api.root()
        put(root, item)
        lease = make.taken(item.queue)
        report = services.Report("failed", error_type="business", error_reason="No number.")
        services.finish_item(lease, actor=make.SYSTEM, report=report)
        item.refresh_from_db()
        again = services.requeue_item(item, actor=make.SYSTEM)

        put(root, again, b"new", name="b.csv")

        listed = [root.get(f"queue-items/{one.pk}/files").json()["items"] for one in (item, again)]
        assert [one["name"] for one in listed[1]] == ["b.csv", "a.csv"]
        assert listed[0] == listed[1]

    @pytest.mark.parametrize("told", ["0" * 64, "12"])
    def test_a_wrong_hash_leaves_nothing_behind(self, item, told, shelf):
        refused = put(api.root(), item, **{"X-Content-SHA256": told})

        assert (refused.status_code, refused.json()["code"]) == (400, "bad_sha256")
        assert files_in(shelf) == []

    @pytest.mark.parametrize("name", ["..", "a\\b", "two\nlines", "turned\u202efdp.exe", "n" * 201, " "])
    def test_a_name_that_is_not_the_plain_name_of_a_file_is_refused(self, item, name, shelf):
        refused = put(api.root(), item, name=name)

        assert api.fields_refused(refused) == {"name"}
        assert files_in(shelf) == []

    def test_a_slash_in_a_name_is_no_address(self, item):
        assert put(api.root(), item, name="../../secret").status_code == 404

    def test_who_may_not_bring_files_is_refused(self, item):
        viewer = api.Caller(make.user("queues.view_queueitem", inside=item.tenant))

        assert put(viewer, item).status_code == 403

    def test_another_tenant_finds_no_such_item(self, item):
        stranger = api.Caller(make.user("queues.view_queueitem", "queues.add_itemfile", inside=make.tenant()))

        assert put(stranger, item).status_code == 404

    def test_an_item_takes_no_more_files_and_bytes_than_its_limits(self, item, settings):
        settings.ITEM_FILES_MOST, settings.ITEM_FILES_LIMIT_BYTES, settings.ITEM_FILE_LIMIT_BYTES = 2, 30, 28
        root = api.root()
        put(root, item)

        large, total = put(root, item, b"x" * 29, name="b"), put(root, item, b"x" * 6, name="b")
        second, third = put(root, item, b"x" * 5, name="b"), put(root, item, b"", name="c")
        replaced = put(root, item, b"y" * 25)

        assert [(one.status_code, one.json().get("limit")) for one in (large, total)] == [(413, 28), (413, 30)]
        assert (second.status_code, third.json()["code"], third.json()["limit"]) == (201, "too_many", 2)
        assert replaced.status_code == 200

    def test_a_file_that_got_past_the_door_is_still_held_to_the_limit(self, item, settings):
        settings.ITEM_FILE_LIMIT_BYTES = 5

        with pytest.raises(TooLarge):
            make.item_file(item, b"123456")

    def test_where_the_disk_is_almost_full_nothing_is_taken(self, item, settings):
        settings.FILES_DISK_RESERVE_BYTES = 2**62

        assert put(api.root(), item).json()["code"] == "store_full"


class TestConditions:
    def test_only_a_first_file_is_written_where_that_is_asked(self, item):
        root = api.root()

        made = put(root, item, **{"If-None-Match": "*"})
        refused = put(root, item, **{"If-None-Match": "*"})

        assert (made.status_code, refused.status_code) == (201, 412)
        assert (refused.json()["code"], refused.json()["sha256"]) == ("outdated", SHA256)

    def test_only_the_file_that_one_knows_is_replaced(self, item):
        root = api.root()
        put(root, item)

        refused = put(root, item, b"x", **{"If-Match": f'"{"0" * 64}"'})
        done = put(root, item, b"x", **{"If-Match": f'"{SHA256}"'})
        again = put(root, item, b"x", **{"If-Match": f'"{SHA256}"'})

        assert [one.status_code for one in (refused, done, again)] == [412, 200, 200]

    def test_nothing_is_written_where_there_should_be_a_file_and_is_none(self, item):
        refused = put(api.root(), item, **{"If-Match": "*"})

        assert (refused.status_code, refused.json()["sha256"]) == (412, None)

    def test_a_condition_that_means_nothing_is_refused(self, item):
        refused = put(api.root(), item, **{"If-None-Match": f'"{SHA256}"'})

        assert api.fields_refused(refused) == {"If-None-Match"}

    def test_only_the_file_that_one_knows_is_deleted(self, item):
        root = api.root()
        put(root, item)
        address = f"queue-items/{item.pk}/files/a.csv"

        refused = root.delete(address, **{"If-Match": f'"{"0" * 64}"'})
        done = root.delete(address, **{"If-Match": f'"{SHA256}"'})

        assert (refused.status_code, done.status_code) == (412, 204)


class TestReading:
    def test_a_file_comes_as_an_attachment_that_nothing_is_guessed_about(self, item):
        root = api.root()
        put(root, item, b"<script>", name="Übersicht; 1.html", kind="text/html")

        answer = root.get(f"queue-items/{item.pk}/files/{quote('Übersicht; 1.html')}")

        assert answer.whole == b"<script>"
        assert answer.headers["Content-Disposition"] == "attachment; filename*=utf-8''%C3%9Cbersicht%3B%201.html"
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]

    def test_who_has_it_already_gets_nothing(self, item):
        root = api.root()
        put(root, item)

        answer = root.get(f"queue-items/{item.pk}/files/a.csv", **{"If-None-Match": f'"{SHA256}"'})

        assert (answer.status_code, answer.whole) == (304, b"")

    def test_a_download_stands_in_the_audit_trail(self, item):
        file = make.item_file(item)

        api.root().get(f"queue-items/{item.pk}/files/{file.name}")

        entry = AuditEntry.objects.get(action="item.file_downloaded")
        assert (str(entry.target_id), entry.after["file"]) == (str(item.pk), file.name)

    def test_with_whom_an_item_is_shared_takes_its_files(self, item):
        file, friend = make.item_file(item, b"hers"), make.user()
        rbac.share_object(item, actor=make.SYSTEM, user=friend, permission="queues.view_queueitem")

        assert api.Caller(friend).get(f"queue-items/{item.pk}/files/{file.name}").whole == b"hers"

    def test_what_is_not_there_is_said_to_be(self, item):
        file = make.item_file(item)
        root = api.root()
        place_of(file).unlink()

        unknown, gone = root.get(f"queue-items/{item.pk}/files/x"), root.get(f"queue-items/{item.pk}/files/{file.name}")

        assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_file")
        assert "Restore it" in gone.json()["detail"]


class TestGoing:
    def test_a_deleted_file_is_gone_and_the_trail_tells(self, item, shelf, django_capture_on_commit_callbacks):
        file = make.item_file(item)
        remover = api.Caller(make.user("queues.view_queueitem", "queues.delete_itemfile", inside=item.tenant))

        with django_capture_on_commit_callbacks(execute=True):
            answer = remover.delete(f"queue-items/{item.pk}/files/{file.name}")

        assert (answer.status_code, files_in(shelf)) == (204, [])
        assert AuditEntry.objects.get(action="item.file_deleted").before["file"] == file.name

    def test_deleting_takes_the_permission_and_a_file(self, item):
        file = make.item_file(item)
        viewer = api.Caller(make.user("queues.view_queueitem", inside=item.tenant))

        refused = viewer.delete(f"queue-items/{item.pk}/files/{file.name}")
        unknown = api.root().delete(f"queue-items/{item.pk}/files/x")

        assert (refused.status_code, unknown.status_code) == (403, 404)

    def test_a_deletion_that_is_taken_back_keeps_the_file(self, item, shelf, django_capture_on_commit_callbacks):
        file = make.item_file(item)

        with django_capture_on_commit_callbacks(execute=False):
            services.delete_item_file(item, actor=make.SYSTEM, name=file.name)

        assert files_in(shelf) == [place_of(file)]

    def test_files_of_items_that_go_for_good_go_with_them(self, item, shelf, django_capture_on_commit_callbacks):
        make.item_file(item)
        make.item_file(item)
        other = make.item_file()

        with django_capture_on_commit_callbacks(execute=True):
            removed = services.remove_files_of([item.pk], actor=make.SYSTEM)

        assert removed == 2
        assert files_in(shelf) == [place_of(other)]
        assert AuditEntry.objects.get(action="item.files_removed").after == {"files": 2, "size": 12}

    def test_a_file_without_a_row_is_swept_once_it_is_old(self, item, shelf):
        kept, stored = make.item_file(item), make.stored_file()
        lost = place_of(make.item_file(item, name="lost"))
        ItemFile.objects.filter(name="lost").delete()
        for path in files_in(shelf):
            os.utime(path, (0, 0))

        assert (_sweep(), _sweep()) == (1, 0)

        assert not lost.exists()
        assert set(files_in(shelf)) == {place_of(kept), place_of(stored)}

    def test_what_the_clock_sweeps_is_swept_by_hand_too(self, item, shelf):
        lost = place_of(make.item_file(item))
        ItemFile.objects.all().delete()
        os.utime(lost, (0, 0))
        out = io.StringIO()

        call_command("sweep_stored_files", stdout=out)

        assert (out.getvalue().strip(), files_in(shelf)) == ("Files removed: 1", [])

    def test_a_write_that_is_taken_back_leaves_a_file_that_is_swept(self, item, shelf):
        with transaction.atomic():
            make.item_file(item)
            transaction.set_rollback(True)
        [lost] = files_in(shelf)
        os.utime(lost, (0, 0))

        assert (ItemFile.objects.count(), _sweep(), files_in(shelf)) == (0, 1, [])

    def test_an_upload_that_is_under_way_stays(self, shelf):
        with make.upload():
            assert _sweep() == 0
            assert len(files_in(shelf)) == 1

    def test_only_who_may_delete_everywhere_may_sweep(self):
        person = Actor.person(make.user("queues.delete_itemfile", inside=make.tenant()))

        with pytest.raises(NotAllowed):
            services.sweep_files(timezone.now(), actor=person)
        with pytest.raises(NotAllowed):
            services.remove_files_of([], actor=person)


def _sweep() -> int:
    return services.sweep_files(timezone.now() - timedelta(hours=1), actor=make.SYSTEM)
