"""Packages and their versions over the API."""

from __future__ import annotations

import hashlib

import pytest

from apps.audit.models import AuditEntry
from apps.packages import services
from apps.packages.models import PackageVersion
from tests import api, make

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder():
    """The folder in which the packages are."""
    return make.folder(make.tenant())


def test_a_package_shows_its_newest_active_version(folder):
    first = make.package_version(folder, name="invoices", version="1.9.0")
    second = make.package_version(folder, name="invoices", version="1.10.0")
    root = api.root()

    before = root.get(f"packages/{first.package_id}").json()
    root.post(f"package-versions/{second.pk}/deactivate", {"reason": "broken"})
    after = root.get(f"packages/{first.package_id}").json()

    assert before["latest_version"] == {"id": str(second.pk), "version": "1.10.0"}
    assert after["latest_version"] == {"id": str(first.pk), "version": "1.9.0"}


def test_versions_are_listed_under_their_package_and_by_filter(folder):
    first = make.package_version(folder, name="invoices", version="1.0.0")
    second = make.package_version(folder, name="invoices", version="1.1.0")
    make.package_version(folder)
    root = api.root()

    under = root.get(f"packages/{first.package_id}/versions")
    filtered = root.get("package-versions", {"package": first.package_id, "version": "1.0.0"})

    assert api.ids(under) == [str(second.pk), str(first.pk)]
    assert api.ids(filtered) == [str(first.pk)]


def test_versions_under_a_package_come_in_pages(folder):
    versions = [make.package_version(folder, name="invoices", version=f"1.{number}.0") for number in range(3)]
    root = api.root()

    first = root.get(f"packages/{versions[0].package_id}/versions", {"page_size": 2})
    second = root.client.get(first.json()["next"])

    assert api.ids(first) + api.ids(second) == [str(version.pk) for version in reversed(versions)]
    assert second.json()["next"] is None


def test_a_version_is_switched_off_and_on_again(folder):
    version = make.package_version(folder)
    root = api.root()

    off = root.post(f"package-versions/{version.pk}/deactivate").json()
    on = root.post(f"package-versions/{version.pk}/activate").json()

    assert (off["is_active"], on["is_active"]) == (False, True)


def test_a_package_in_use_stays(folder):
    process = make.process(folder)

    refused = api.root().delete(f"packages/{process.package_id}")

    assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
    assert process.name in refused.json()["detail"]


def test_a_deleted_package_is_gone_and_its_name_is_free(folder):
    version = make.package_version(folder, name="invoices")
    root = api.root()

    deleted = root.delete(f"packages/{version.package_id}")

    assert deleted.status_code == 204
    assert root.get(f"packages/{version.package_id}").status_code == 404
    assert root.get(f"package-versions/{version.pk}").status_code == 404
    assert root.get("packages", {"name": "invoices"}).json()["items"] == []


def test_a_deleted_version_is_gone(folder):
    version = make.package_version(folder)
    root = api.root()

    root.delete(f"package-versions/{version.pk}")

    assert root.get(f"package-versions/{version.pk}/download").status_code == 404


def test_a_download_is_the_file_and_says_its_hash(folder):
    version = make.package_version(folder, name="invoices", version="1.0.0")

    answer = api.root().get(f"package-versions/{version.pk}/download")

    assert hashlib.sha256(answer.whole).hexdigest() == version.sha256
    assert answer.headers["X-Content-SHA256"] == version.sha256
    assert answer.headers["ETag"] == f'"{version.sha256}"'
    assert answer.headers["Content-Length"] == str(version.size_bytes)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="invoices_1.0.0.bvpackage"'


@pytest.mark.parametrize("tag", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
def test_who_has_the_file_does_not_get_it_again(folder, tag):
    version = make.package_version(folder)

    answer = api.root().get(f"package-versions/{version.pk}/download", **{"If-None-Match": tag.format(version.sha256)})

    assert (answer.status_code, answer.whole) == (304, b"")


def test_a_download_stands_in_the_audit_trail_and_a_spared_one_does_not(folder):
    version = make.package_version(folder)
    root = api.root()

    root.get(f"package-versions/{version.pk}/download")
    root.get(f"package-versions/{version.pk}/download", **{"If-None-Match": "*"})

    assert AuditEntry.objects.filter(action="package.downloaded", target_id=version.pk).count() == 1


def test_who_may_look_may_not_download(folder):
    version = make.package_version(folder)
    viewer = api.Caller(make.user("packages.view_package", inside=folder.tenant))

    refused = viewer.get(f"package-versions/{version.pk}/download")

    assert refused.status_code == 403
    assert "packages.download_packageversion" in refused.json()["detail"]


def test_a_file_that_is_missing_is_said_to_be(folder):
    version = make.package_version(folder)
    services.storage().delete(version.storage_name)

    refused = api.root().get(f"package-versions/{version.pk}/download")

    assert refused.status_code == 404
    assert "missing" in refused.json()["detail"]


SOURCE = """
def main(customer: str, amount: int = 1) -> dict[str, int]:
    return {}
"""


def test_a_signature_tells_what_goes_in_and_what_comes_out(folder):
    version = make.package_version(folder, source=SOURCE)
    root = api.root()

    told = root.get(f"package-versions/{version.pk}/entrypoints/main/signature").json()

    assert [(one["name"], one["required"]) for one in told["parameters"]] == [("customer", True), ("amount", False)]
    assert told["input_schema"]["required"] == ["customer"]
    assert told["output_schema"]["type"] == "object"
    assert root.get(f"packages/{version.package_id}/entrypoints/main/signature").json() == told


def test_an_unknown_entrypoint_is_told_with_those_there_are(folder):
    version = make.package_version(folder)

    refused = api.root().get(f"package-versions/{version.pk}/entrypoints/other/signature")

    assert refused.status_code == 404
    assert "main" in refused.json()["detail"]


def test_a_package_without_an_active_version_has_no_signature(folder):
    version = make.package_version(folder)
    PackageVersion.objects.update(is_active=False)

    refused = api.root().get(f"packages/{version.package_id}/entrypoints/main/signature")

    assert refused.status_code == 404


def test_somebody_of_a_folder_sees_what_is_in_it(folder):
    inside, outside = make.package_version(folder), make.package_version(make.folder(make.tenant()))
    somebody = api.Caller(make.user("packages.view_package", inside=folder))

    assert api.ids(somebody.get("packages")) == [str(inside.package_id)]
    assert somebody.get(f"packages/{outside.package_id}").status_code == 404


def test_lists_take_as_many_queries_for_five_rows_as_for_one(folder, django_assert_num_queries):
    for _ in range(5):
        make.package_version(folder)
    root = api.root()

    with django_assert_num_queries(3):
        root.get("packages", {"page_size": 1})
    with django_assert_num_queries(3):
        root.get("packages", {"page_size": 5})
    with django_assert_num_queries(4):
        root.get("package-versions", {"page_size": 1})
    with django_assert_num_queries(4):
        root.get("package-versions", {"page_size": 5})
