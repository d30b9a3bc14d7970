"""Publishing packages over the API."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.files.storage import storages
from django.test import Client
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.packages import services
from apps.packages.models import PackageVersion
from apps.tenancy import services as tenancy
from tests import api, make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    """A store of packages of the test's own."""
    options = {"location": tmp_path, "base_url": None}
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "packages": storage}
    return tmp_path


@pytest.fixture
def folder():
    """The folder that everything is uploaded to."""
    return make.folder(make.tenant())


@pytest.fixture
def developer(folder):
    """Somebody who may publish there."""
    permissions = ("upload_package", "view_package", "download_packageversion", "change_package", "delete_package")
    return api.Caller(make.user(*(f"packages.{name}" for name in permissions), inside=folder.tenant))


def files(store) -> list:
    """Everything that lies in the store."""
    return sorted(path for path in store.rglob("*") if path.is_file())


def test_a_package_is_published_with_its_entrypoints(developer, folder):
    made = developer.upload(make.package_file("invoices", "1.2.3"))

    body = made.json()
    assert made.status_code == 201
    assert (body["package"]["name"], body["version"], body["kind"]) == ("invoices", "1.2.3", "rpa")
    assert [entrypoint["name"] for entrypoint in body["entrypoints"]] == ["main"]
    assert body["default_entrypoint"] == "main"
    assert made.headers["Location"] == f"/api/v1/package-versions/{body['id']}"
    assert developer.get(f"packages/{body['package']['id']}").json()["folder"]["id"] == str(folder.pk)


def test_what_is_stored_is_what_was_sent(developer, store):
    file = make.package_file()
    sent = file.getvalue()

    body = developer.upload(file).json()

    (stored,) = files(store)
    assert stored.read_bytes() == sent
    assert body["size_bytes"] == len(sent)


def test_an_upload_reaches_its_place_by_a_rename(developer, store, monkeypatch):
    moved = []
    real = services._movable
    monkeypatch.setattr(services, "_movable", lambda file: moved.append(file.temporary_file_path()) or real(file))

    developer.upload(make.package_file())

    (came_from,) = moved
    assert came_from.startswith(str(store / ".uploads"))
    assert len(files(store)) == 1


def test_every_problem_is_told_with_its_file_and_line(developer, store):
    project = "project:\n  name: bad name\n  version: 1.0\n  entrypoints:\n    - name: main\n      command: nothing\n"

    refused = developer.upload(make.package_file(**{"bvproject.yaml": project}))

    body = refused.json()
    assert (refused.status_code, body["code"]) == (400, "package_refused")
    places = {(problem["file"], problem["line"]) for problem in body["problems_found"]}
    assert {("bvproject.yaml", 2), ("bvproject.yaml", 3)} <= places
    assert "bvproject.yaml:2" in {problem["field"] for problem in body["errors"]}
    assert files(store) == []


def test_what_is_no_archive_is_refused_in_the_same_way(developer):
    refused = developer.upload(io.BytesIO(b"plain text"))

    assert (refused.status_code, refused.json()["code"]) == (400, "package_refused")


def test_a_version_never_changes(developer):
    developer.upload(make.package_file("invoices", "1.0.0"))

    refused = developer.upload(make.package_file("invoices", "1.0.0"))

    assert (refused.status_code, refused.json()["code"]) == (409, "already_published")
    assert "invoices@1.0.0 already exists" in refused.json()["detail"]


def test_the_same_content_is_not_taken_twice(developer, store):
    file = make.package_file("invoices", "1.0.0")
    developer.upload(io.BytesIO(file.getvalue()))

    refused = developer.upload(io.BytesIO(file.getvalue()))

    assert refused.status_code == 409
    assert len(files(store)) == 1


def test_what_the_sender_says_must_be_what_the_file_says(developer):
    refused = developer.upload(make.package_file("invoices", "1.0.0"), name="bills", version="2.0.0")

    told = {problem["code"]: problem["message"] for problem in refused.json()["problems_found"]}
    assert told["name_mismatch"] == "Provided name 'bills' does not match bvproject.yaml name 'invoices'"
    assert "version_mismatch" in told


def test_only_packages_are_taken(developer):
    file = make.package_file()
    file.name = "package.zip"

    assert api.fields_refused(developer.upload(file)) == {"file"}


def test_a_file_is_needed_and_one_is_enough(developer):
    one, two = make.package_file(), make.package_file()
    one.name, two.name = "one.bvpackage", "two.bvpackage"

    without = developer.client.post("/api/v1/packages/upload", {"name": "x"})
    twice = developer.client.post("/api/v1/packages/upload", {"file": [one, two]})

    assert api.fields_refused(without) == {"file"}
    assert api.fields_refused(twice) == {"file"}


def test_unknown_parts_are_refused_by_name(developer):
    assert api.fields_refused(developer.upload(make.package_file(), colour="red")) == {"colour"}


def test_a_body_over_the_limit_is_refused_before_it_is_read(developer):
    length = str(101 * 1024 * 1024)

    refused = developer.client.generic(
        "POST", "/api/v1/packages/upload", b"--x", "multipart/form-data; boundary=x", CONTENT_LENGTH=length
    )

    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")


def test_a_body_of_another_kind_is_refused(developer):
    assert developer.post("packages/upload", {"file": "x"}).status_code == 415


def test_who_may_not_publish_is_told_so_and_nothing_is_kept(folder, store):
    viewer = api.Caller(make.user("packages.view_package", inside=folder.tenant))

    refused = viewer.upload(make.package_file())

    assert refused.status_code == 403
    assert "packages.upload_package" in refused.json()["detail"]
    assert files(store) == []


def test_a_program_publishes_with_a_key_into_a_folder_it_names(folder):
    inner = tenancy.create_folder(folder.tenant, actor=make.SYSTEM, name="Inner")
    publisher = make.user("packages.upload_package", "tenancy.view_folder", inside=folder.tenant)
    program = api.Caller(publisher, key_in=folder.tenant)

    made = program.upload(make.package_file(), headers={"X-Folder-ID": str(inner.pk)})

    assert made.status_code == 201
    assert PackageVersion.objects.get(pk=made.json()["id"]).folder_id == inner.pk


def test_the_same_upload_again_gives_the_same_answer(developer, store):
    file = make.package_file()
    once = {"Idempotency-Key": "publish-1"}
    first = developer.upload(io.BytesIO(file.getvalue()), headers=once)

    again = developer.upload(io.BytesIO(file.getvalue()), headers=once)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert len(files(store)) == 1


def test_another_file_under_the_same_key_is_a_conflict(developer):
    once = {"Idempotency-Key": "publish-1"}
    developer.upload(make.package_file(), headers=once)

    refused = developer.upload(make.package_file(), headers=once)

    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_reused")


def test_a_form_without_its_token_is_refused_before_it_is_published(folder, store):
    person = make.user(superuser=True)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(person)
    file = make.package_file()
    file.name = "one.bvpackage"

    refused = browser.post("/api/v1/packages/upload", {"file": file})

    assert refused.status_code == 403
    assert not PackageVersion.objects.exists()


def test_what_a_killed_upload_left_is_swept(store):
    left = store / ".uploads" / "half.upload"
    left.parent.mkdir()
    left.write_bytes(b"half")

    removed = services.sweep_files(timezone.now() + timedelta(seconds=1), actor=make.SYSTEM)

    assert removed == 1
    assert files(store) == []


def test_what_has_just_begun_is_not_swept(store):
    begun = store / ".uploads" / "begun.upload"
    begun.parent.mkdir()
    begun.write_bytes(b"more to come")

    services.sweep_files(timezone.now() - timedelta(hours=1), actor=make.SYSTEM)

    assert files(store) == [begun]


def test_a_store_elsewhere_takes_uploads_too(developer, settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "packages": {"BACKEND": "django.core.files.storage.InMemoryStorage", "OPTIONS": {"base_url": None}},
    }

    made = developer.upload(make.package_file())

    version = PackageVersion.objects.get(pk=made.json()["id"])
    assert storages["packages"].size(version.storage_name) == version.size_bytes


@pytest.mark.parametrize(
    ("name", "version", "reason"),
    [
        ("invoices", "1.0.1", None),
        ("Invoices", "1.0.0", "Package Invoices@1.0.0 already exists"),
        ("", "1.0.0", "name is required"),
        ("in voices", "1.0.0", "name must match [A-Za-z0-9_-]"),
        ("invoices", "", "version is required"),
        ("invoices", "1.0.0-rc1", "version must be SemVer 'X.Y.Z'"),
    ],
)
def test_one_can_ask_beforehand(developer, name, version, reason):
    developer.upload(make.package_file("invoices", "1.0.0"))

    answer = developer.post("packages/preflight", {"name": name, "version": version})

    assert answer.status_code == 200
    assert answer.json() == {"can_publish": reason is None, "reason": reason}


def test_publishing_stands_in_the_audit_trail(developer):
    made = developer.upload(make.package_file()).json()

    entry = AuditEntry.objects.get(action="package.uploaded", target_id=made["id"])
    assert entry.actor_name == developer.person.username
    assert entry.after["sha256"] == made["sha256"]
