"""What robots, running jobs and programs do with files: of items that they hold, and of stores in their folders."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.jobs import services as jobs
from apps.queues import services as queues
from apps.queues.models import ItemFile, ItemLease, StoredFile
from apps.robots import services as robots
from apps.tenancy import services as tenancy
from tests import api, make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shelf")]


class Worker:
    """Somebody who calls with a token."""

    def __init__(self, token: str) -> None:
        self.client = Client(headers={"X-Robot-Token": token})

    def call(self, method: str, path: str, content: bytes = b"", **headers: str) -> Any:
        told = {"X-Content-SHA256": hashlib.sha256(content).hexdigest()} if method == "PUT" else {}
        address = f"{api.ROOT}runtime/{path}"
        return api.whole(self.client.generic(method, address, content, "text/plain", headers=told | headers))


@pytest.fixture
def execution():
    """A running job that owns an item."""
    process = make.process()
    item = make.item(make.queue(process.folder), payload={"n": 1})
    return make.running_job(process, queue_items=[item.pk])


@pytest.fixture
def job(execution):
    """That job, calling with its own token."""
    return Worker(str(jobs.start_with_token(execution, actor=make.acting(execution.robot))))


@pytest.fixture
def lease(execution):
    """The lease under which it holds the item."""
    return ItemLease.objects.select_related("item__queue").get(execution_id=execution.pk)


class TestFilesOfHeldItems:
    def test_a_job_reads_and_writes_files_of_the_item_it_holds(self, job, lease):
        make.item_file(lease.item, b"the invoice", name="in.txt")
        address = f"item-leases/{lease.lease_id}/files"

        read = job.call("GET", f"{address}/in.txt")
        made, again = job.call("PUT", f"{address}/out.txt", b"paid"), job.call("PUT", f"{address}/out.txt", b"paid")
        listed = job.call("GET", address).json()["items"]
        deleted = job.call("DELETE", f"{address}/in.txt")

        assert (read.whole, made.status_code, again.status_code, deleted.status_code) == (b"the invoice", 201, 200, 204)
        assert [one["name"] for one in listed] == ["in.txt", "out.txt"]
        assert ItemFile.objects.get().name == "out.txt"

    def test_its_robot_may_as_well(self, execution, lease):
        robot = Worker(robots.rotate_token(execution.robot, actor=make.SYSTEM))

        assert robot.call("PUT", f"item-leases/{lease.lease_id}/files/a", b"x").status_code == 201

    def test_nobody_else_knows_the_lease(self, lease):
        stranger = Worker(make.robot_with_token(of=lease.item.tenant)[1])

        for method in ("GET", "PUT", "DELETE"):
            refused = stranger.call(method, f"item-leases/{lease.lease_id}/files/a")
            assert (refused.status_code, refused.json()["code"]) == (404, "unknown")

    def test_what_is_no_longer_held_is_out_of_reach(self, job, lease):
        make.item_file(lease.item, name="a")
        queues.finish_item(lease, actor=make.SYSTEM, report=queues.Report("done"))
        address = f"item-leases/{lease.lease_id}/files"

        refused = [job.call("GET", address), *(job.call(method, f"{address}/a") for method in ("GET", "PUT", "DELETE"))]

        assert [(one.status_code, one.json()["code"]) for one in refused] == [(409, "lease_over")] * 4

    def test_a_file_without_its_hash_is_refused(self, job, lease):
        refused = job.call("PUT", f"item-leases/{lease.lease_id}/files/a", b"x", **{"X-Content-SHA256": ""})

        assert api.fields_refused(refused) == {"X-Content-SHA256"}


class TestFilesOfStores:
    def test_a_job_reads_and_writes_stores_of_its_folder_by_name(self, job, execution):
        store = make.file_store(execution.job.folder, name="Rates")

        made = job.call("PUT", "file-stores/rates/files/2026/a.txt", b"1.08")
        read = job.call("GET", f"file-stores/{store.pk}/files/2026/a.txt")
        deleted = job.call("DELETE", "file-stores/Rates/files/2026/a.txt")

        assert (made.status_code, read.whole, deleted.status_code) == (201, b"1.08", 204)
        assert made.json()["written_by"].startswith("job ")
        assert not AuditEntry.objects.filter(action="filestore.file_downloaded").exists()

    def test_a_write_may_be_made_to_depend_on_what_is_there(self, job, execution):
        make.file_store(execution.job.folder, name="Rates")

        first = job.call("PUT", "file-stores/Rates/files/a", b"1", **{"If-None-Match": "*"})
        second = job.call("PUT", "file-stores/Rates/files/a", b"2", **{"If-None-Match": "*"})

        assert (first.status_code, second.status_code, second.json()["code"]) == (201, 412, "outdated")

    def test_a_long_list_comes_in_pieces_by_path(self, job, execution, monkeypatch):
        monkeypatch.setattr("apps.runner.views.files.MOST_LISTED", 2)
        store = make.file_store(execution.job.folder, name="Rates")
        for path in ("b/1", "a/1", "a/2", "a/3"):
            make.stored_file(store, path=path)

        first = job.call("GET", "file-stores/Rates/files?prefix=a/").json()
        rest = job.call("GET", f"file-stores/Rates/files?prefix=a/&after={first['after']}").json()

        assert [one["path"] for one in first["items"] + rest["items"]] == ["a/1", "a/2", "a/3"]
        assert (first["after"], rest["after"]) == ("a/2", None)

    def test_of_two_stores_of_one_name_that_of_its_own_folder_is_meant(self, job, execution):
        other = tenancy.create_folder(execution.tenant, actor=make.SYSTEM, name="Other")
        robots.update_robot(execution.robot, actor=make.SYSTEM, folders=[execution.job.folder, other])
        near, far = make.file_store(execution.job.folder, name="Rates"), make.file_store(other, name="Rates")

        job.call("PUT", "file-stores/Rates/files/a", b"x")
        job.call("PUT", "file-stores/Rates/files/a", b"x", **{"X-Folder-ID": str(other.pk)})

        assert set(StoredFile.objects.values_list("store", flat=True)) == {near.pk, far.pk}

    def test_stores_of_folders_it_does_not_work_for_are_not_there(self, job, execution):
        elsewhere = make.file_store(tenancy.create_folder(execution.tenant, actor=make.SYSTEM, name="Other"))
        foreign = make.file_store()

        for store in (elsewhere, foreign):
            for named in (store.pk, store.name):
                refused = job.call("GET", f"file-stores/{named}/files")
                assert (refused.status_code, refused.json()["code"]) == (404, "unknown_store")

    def test_a_program_with_a_key_is_noted_in_the_trail(self):
        file = make.stored_file(content=b"x")
        person = make.user("queues.view_filestore", inside=file.tenant)
        program = Client(headers={"X-Api-Key": make.api_key(person, file.tenant)})

        answer = program.get(f"{api.ROOT}runtime/file-stores/{file.store.name}/files/{file.path}")

        assert api.whole(answer).whole == b"x"
        assert AuditEntry.objects.filter(action="filestore.file_downloaded").count() == 1

    def test_nobody_reads_without_a_token(self):
        assert Client().get(f"{api.ROOT}runtime/file-stores/x/files").status_code == 401
