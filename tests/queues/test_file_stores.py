"""File stores: made, named, filled and emptied over the API."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connections

from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, Invalid
from apps.events.models import Event
from apps.queues import services
from apps.queues.models import FileStore, StoredFile
from tests import api, make
from tests.shelves import files_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shelf")]

CONTENT = b"a;b\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store():
    return make.file_store()


def put(caller: api.Caller, store: FileStore, path: str = "2026/a.csv", content: bytes = CONTENT, **more: str) -> Any:
    address = f"{api.ROOT}file-stores/{store.pk}/files/{quote(path)}"
    return api.whole(caller.client.generic("PUT", address, content, "text/csv", headers=more))


class TestStores:
    def test_a_store_is_made_renamed_and_listed(self):
        root, folder = api.root(), make.folder()

        made = root.post("file-stores", {"name": " Rates ", "folder": folder.pk}, **{"X-Tenant": folder.tenant.slug})
        changed = root.patch(f"file-stores/{made.json()['id']}", {"description": "of the day"})
        listed = root.get("file-stores", {"folder": folder.pk, "name": "rate"})

        assert (made.status_code, made.json()["name"]) == (201, "Rates")
        assert changed.json()["description"] == "of the day"
        assert api.ids(listed) == [made.json()["id"]]
        assert AuditEntry.objects.filter(action__startswith="filestore.").count() == 2

    def test_a_name_is_taken_once_in_a_folder_until_its_store_is_deleted(self, store):
        with pytest.raises(Conflict, match="already"):
            make.file_store(store.folder, name=store.name.upper())
        services.delete_store(store, actor=make.SYSTEM)

        assert make.file_store(store.folder, name=store.name).pk != store.pk

    def test_a_name_that_is_none_is_refused(self):
        with pytest.raises(Invalid, match="name"):
            make.file_store(name="  ")

    def test_deleting_a_store_takes_its_files_and_keeps_its_history(
        self, store, shelf, django_capture_on_commit_callbacks
    ):
        make.stored_file(store)
        make.stored_file(store)
        root = api.root()

        with django_capture_on_commit_callbacks(execute=True):
            answer = root.delete(f"file-stores/{store.pk}")

        assert (answer.status_code, files_in(shelf)) == (204, [])
        assert root.get(f"file-stores/{store.pk}").status_code == 404
        assert AuditEntry.objects.get(action="filestore.deleted").before["files"] == 2
        with pytest.raises(services.StoreDeleted):
            make.stored_file(store)

    def test_each_act_takes_its_permission(self, store):
        viewer = api.Caller(make.user("queues.view_filestore", "tenancy.view_folder", inside=store.tenant))
        address = f"file-stores/{store.pk}"

        refused = [
            viewer.post("file-stores", {"name": "x", "folder": store.folder_id}),
            viewer.patch(address, {"name": "x"}),
            viewer.delete(address),
            put(viewer, store),
            viewer.delete(f"{address}/files/{make.stored_file(store).path}"),
        ]

        assert [one.status_code for one in refused] == [403] * 5
        assert viewer.get(address).status_code == 200

    def test_another_tenant_sees_none_of_it(self, store):
        stranger = api.Caller(make.user("queues.view_filestore", "queues.add_storedfile", inside=make.tenant()))
        file = make.stored_file(store)

        assert api.ids(stranger.get("file-stores")) == []
        assert stranger.get(f"file-stores/{store.pk}/files").status_code == 404
        assert stranger.get(f"file-stores/{store.pk}/files/{file.path}").status_code == 404
        assert put(stranger, store).status_code == 404


class TestFiles:
    def test_a_file_is_written_read_replaced_and_deleted_by_its_path(
        self, store, shelf, django_capture_on_commit_callbacks
    ):
        root, address = api.root(), f"file-stores/{store.pk}/files/2026/a.csv"

        with django_capture_on_commit_callbacks(execute=True):
            made, replaced = put(root, store), put(root, store, content=b"new")
            read = root.get(address)
            deleted = root.delete(address)

        assert (made.status_code, made.json()["path"], made.json()["sha256"]) == (201, "2026/a.csv", SHA256)
        assert made.json()["written_by"] == f"person {root.person.get_username()}"
        assert (replaced.status_code, read.whole, deleted.status_code) == (200, b"new", 204)
        assert read.headers["Content-Disposition"] == 'attachment; filename="a.csv"'
        assert files_in(shelf) == []
        assert root.get(address).status_code == 404
        assert Event.objects.filter(type="filestore.file_written").count() == 2
        assert AuditEntry.objects.filter(action="filestore.file_downloaded").count() == 1
        assert AuditEntry.objects.get(action="filestore.file_deleted").before["file"] == "2026/a.csv"

    def test_only_the_file_that_one_knows_is_replaced(self, store):
        root = api.root()

        made = put(root, store, **{"If-None-Match": "*"})
        twice = put(root, store, **{"If-None-Match": "*"})
        replaced = put(root, store, content=b"x", **{"If-Match": made.json()["sha256"].join('""')})
        lost = put(root, store, content=b"y", **{"If-Match": made.json()["sha256"].join('""')})

        assert [one.status_code for one in (made, twice, replaced, lost)] == [201, 412, 200, 412]

    @pytest.mark.parametrize("path", ["a//b", "../a", "a/./b", "a\\b", "a/\u202eb"])
    def test_a_path_that_leads_elsewhere_is_refused(self, store, path, shelf):
        refused = put(api.root(), store, path)

        assert refused.status_code in {400, 404}
        assert files_in(shelf) == []

    def test_a_list_is_narrowed_by_the_beginning_of_paths_and_has_pages(self, store):
        for path in ("2025/a", "2026/a", "2026/b", "2026/c", "2026_x"):
            make.stored_file(store, path=path)
        root, address = api.root(), f"file-stores/{store.pk}/files"

        page = root.get(address, {"prefix": "2026/", "page_size": 2, "ordering": "path"}).json()
        rest = root.get(page["next"].partition(api.ROOT)[2]).json()

        assert [one["path"] for one in page["items"] + rest["items"]] == ["2026/a", "2026/b", "2026/c"]
        assert rest["next"] is None

    def test_a_store_takes_no_more_files_and_bytes_than_its_limits(self, store, settings):
        settings.STORE_FILES_MOST, settings.STORE_LIMIT_BYTES, settings.STORED_FILE_LIMIT_BYTES = 2, 8, 6
        root = api.root()
        put(root, store)

        large, total = put(root, store, "b", b"x" * 7), put(root, store, "b", b"x" * 5)
        put(root, store, "b")
        many = put(root, store, "c", b"")

        assert [one.status_code for one in (large, total, many)] == [413, 413, 409]
        assert "store" in total.json()["detail"]

    @pytest.mark.django_db(transaction=True)
    def test_of_many_who_write_a_first_file_at_once_one_does(self, store, shelf):
        root = api.root()

        def write(number: int) -> int:
            try:
                return put(root, store, content=b"%d" % number, **{"If-None-Match": "*"}).status_code
            finally:
                connections.close_all()

        with ThreadPoolExecutor(4) as pool:
            statuses = sorted(pool.map(write, range(4)))

        assert statuses == [201, 412, 412, 412]
        assert len(files_in(shelf)) == StoredFile.objects.count() == 1
