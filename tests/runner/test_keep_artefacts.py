"""Files that robots bring: kept once, whole, under safe names, within limits, and for whoever holds the lease."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connections
from django.test import Client

from apps.events.models import Event
from apps.jobs import services as jobs
from apps.jobs.models import Artefact
from tests import api, make

pytestmark = pytest.mark.django_db

CONTENT = b"amount;customer\n12;Jones\n"


class Worker:
    """A robot that brings files over HTTP."""

    def __init__(self, token: str) -> None:
        self.token = token

    def put(self, lease: Any, content: bytes = CONTENT, name: str = "report.csv", **facts: Any) -> Any:
        told = {"X-Content-SHA256": hashlib.sha256(content).hexdigest(), "X-Robot-Token": self.token}
        headers = told | facts.pop("headers", {})
        path = f"/api/v1/runner/leases/{lease}/artefacts?name={quote(name, safe='')}"
        return Client().generic("PUT", path, content, facts.pop("kind", "text/csv"), headers=headers, **facts)


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    """A store of the test's own."""
    ours = settings.STORAGES["artefacts"]
    storage = ours | {"OPTIONS": ours["OPTIONS"] | {"location": tmp_path}}
    settings.STORAGES = settings.STORAGES | {"artefacts": storage}
    return tmp_path


@pytest.fixture
def process():
    return make.process()


@pytest.fixture
def robot(process):
    return make.robot_with_token(of=process.tenant)


@pytest.fixture
def worker(robot):
    return Worker(robot[1])


@pytest.fixture
def execution(process, robot):
    """An execution that the robot has begun."""
    make.job(process)
    claimed = make.claimed(make.session(robot[0]))
    return jobs.start_execution(claimed, actor=make.acting(robot[0]))


def content_of(artefact: Artefact) -> bytes:
    with jobs.ARTEFACTS.open(artefact) as file:
        return file.read()


def files_in(store: Path) -> list[Path]:
    return [path for path in store.rglob("*") if path.is_file()]


def test_a_file_is_kept_with_its_name_kind_size_and_hash(worker, execution):
    answer = worker.put(execution.lease_id, kind="text/csv; charset=utf-8")

    kept = Artefact.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {"id": str(kept.pk), "name": "report.csv", "size": len(CONTENT)}
    assert (kept.execution_id, kept.job_id, kept.folder_id) == (execution.pk, execution.job_id, execution.folder_id)
    assert (kept.content_type, kept.sha256) == ("text/csv", hashlib.sha256(CONTENT).hexdigest())
    assert content_of(kept) == CONTENT
    assert Event.objects.filter(type="artefact.kept", subject_id=kept.pk).count() == 1


def test_the_same_again_changes_nothing(worker, execution, store):
    first, again = worker.put(execution.lease_id), worker.put(execution.lease_id)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert len(files_in(store)) == Artefact.objects.count() == 1


def test_another_file_of_the_same_name_is_a_conflict(worker, execution, store):
    worker.put(execution.lease_id)

    refused = worker.put(execution.lease_id, b"something else")

    assert (refused.status_code, refused.json()["code"]) == (409, "artefact_differs")
    assert content_of(Artefact.objects.get()) == CONTENT
    assert len(files_in(store)) == 1


def test_where_the_disk_is_almost_full_a_robot_shall_keep_the_file(worker, execution, settings, store):
    settings.FILES_DISK_RESERVE_BYTES = 2**62

    refused = worker.put(execution.lease_id)
    settings.FILES_DISK_RESERVE_BYTES = 0
    taken = worker.put(execution.lease_id)

    assert (refused.status_code, refused.json()["code"]) == (503, "store_full")
    assert refused.headers["Retry-After"] == "60"
    assert (taken.status_code, len(files_in(store))) == (201, 1)


def test_what_is_too_large_is_so_on_a_full_disk_too(worker, execution, settings):
    settings.FILES_DISK_RESERVE_BYTES, settings.ARTEFACT_LIMIT_BYTES = 2**62, 5

    assert worker.put(execution.lease_id).status_code == 413


def test_an_empty_file_is_a_file(worker, execution):
    answer = worker.put(execution.lease_id, b"")

    assert (answer.status_code, answer.json()["size"]) == (201, 0)


def test_a_file_comes_also_after_the_end(worker, robot, execution):
    jobs.release_execution(execution, actor=make.acting(robot[0]))

    assert worker.put(execution.lease_id).status_code == 201


def test_another_robot_finds_no_such_lease(process, execution):
    neighbour = Worker(make.robot_with_token(of=process.tenant)[1])
    foreigner = Worker(make.robot_with_token()[1])

    refused = [one.put(execution.lease_id) for one in (neighbour, foreigner)]

    assert [(one.status_code, one.json()["code"]) for one in refused] == [(404, "unknown")] * 2
    assert refused[0].json()["detail"] == refused[1].json()["detail"]


def test_nobody_brings_a_file_without_a_token(execution):
    assert Worker("").put(execution.lease_id).status_code == 401


@pytest.mark.parametrize("told", ["0" * 64, "", "12", "z" * 64])
def test_a_wrong_hash_leaves_nothing_behind(worker, execution, told, store):
    refused = worker.put(execution.lease_id, headers={"X-Content-SHA256": told})

    assert (refused.status_code, refused.json()["code"]) == (400, "bad_sha256")
    assert api.fields_refused(refused) == {"X-Content-SHA256"}
    assert files_in(store) == []


def test_a_file_that_breaks_off_leaves_nothing_behind(worker, execution, store):
    body = {"wsgi.input": io.BytesIO(CONTENT), "CONTENT_LENGTH": str(len(CONTENT) + 100)}

    refused = worker.put(execution.lease_id, **body)

    assert (refused.status_code, refused.json()["code"]) == (400, "body_cut_off")
    assert not Artefact.objects.exists()
    assert files_in(store) == []


@pytest.mark.parametrize(
    "name",
    ["../secret", "a/b", "a\\b", "..", ".", "", "  ", "two\nlines", "nul\x7f", "turned‮fdp.exe", "n" * 201],
)
def test_a_name_that_is_not_the_plain_name_of_a_file_is_refused(worker, execution, name, store):
    refused = worker.put(execution.lease_id, name=name)

    assert api.fields_refused(refused) == {"name"}
    assert files_in(store) == []


@pytest.mark.parametrize("name", ["Übersicht März.xlsx", ".env", "a;b\"c'.txt", "報告.pdf", "n" * 200])
def test_a_name_in_any_language_is_kept(worker, execution, name):
    assert worker.put(execution.lease_id, name=name).json()["name"] == name


def test_a_name_has_one_spelling(worker, execution):
    composed, decomposed = "Übersicht.txt", "Übersicht.txt"

    first, again = worker.put(execution.lease_id, name=composed), worker.put(execution.lease_id, name=decomposed)

    assert (first.status_code, again.status_code) == (201, 200)


@pytest.mark.parametrize("kind", ["text", "a/b/c", "text/<script>", "x/" + "y" * 100])
def test_a_content_type_that_is_none_is_refused(worker, execution, kind):
    assert api.fields_refused(worker.put(execution.lease_id, kind=kind)) == {"Content-Type"}


def test_a_compressed_body_is_refused(worker, execution):
    assert worker.put(execution.lease_id, headers={"Content-Encoding": "gzip"}).status_code == 415


def test_a_file_above_the_limit_is_refused_before_it_is_read(worker, execution, settings):
    settings.ARTEFACT_LIMIT_BYTES = len(CONTENT) - 1

    refused = worker.put(execution.lease_id)

    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    assert refused.json()["limit"] == len(CONTENT) - 1


def test_an_execution_leaves_no_more_bytes_than_its_limit(worker, execution, settings):
    settings.ARTEFACTS_LIMIT_BYTES = len(CONTENT) + 1
    worker.put(execution.lease_id)

    refused, again = worker.put(execution.lease_id, b"12", name="b"), worker.put(execution.lease_id)

    assert (refused.status_code, refused.json()["limit"], again.status_code) == (413, len(CONTENT) + 1, 200)


def test_an_execution_leaves_no_more_files_than_its_limit(worker, execution, settings):
    settings.ARTEFACTS_MOST = 1
    worker.put(execution.lease_id)

    refused, again = worker.put(execution.lease_id, name="b"), worker.put(execution.lease_id)

    assert (refused.status_code, refused.json()["code"], refused.json()["limit"]) == (409, "too_many", 1)
    assert again.status_code == 200


def test_two_executions_may_leave_files_of_the_same_name(worker, execution):
    worker.put(execution.lease_id)
    make.artefact(name="report.csv")

    assert Artefact.objects.filter(name="report.csv").count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_same_file_at_once_is_kept_once(worker, execution, store):
    def put(_: int) -> int:
        try:
            return worker.put(execution.lease_id).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(put, range(4)))

    assert statuses == [200, 200, 200, 201]
    assert len(files_in(store)) == Artefact.objects.count() == 1
