"""Uploading, reading and downloading packages."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.audit.models import AuditEntry
from apps.packages.models import Package, PackageVersion
from apps.packages.rules import limits
from tests import make
from tests.admin import rows
from tests.admin.visitors import Visitor, list_of, new, page_of, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db


def upload(visitor, place, file):
    return visitor.post(new(Package), {"folder": make.folder(place).pk, "file": file})


def test_an_upload_ends_on_the_page_of_the_version():
    response = upload(superuser(), make.tenant(), make.package_file(name="invoices"))

    assert response.url == page_of(PackageVersion.objects.get())


def test_every_problem_of_a_file_stands_in_a_table_with_its_place():
    file = make.package_file(version="one", **{"requirements.lock": "\0"})

    response = upload(superuser(), make.tenant(), file)

    shown = text_of(response)
    problems = response.context["form"].problems
    assert {problem["file"] for problem in problems} >= {"bvproject.yaml", "requirements.lock"}
    assert "version must be SemVer" in shown
    assert "<td>4</td>" in shown
    assert Package.objects.count() == 0


def test_names_inside_a_package_stay_text():
    file = make.package_file(**{"<script>alert(1)</script>/../x.py": "pass"})

    shown = text_of(upload(superuser(), make.tenant(), file))

    assert "<script>alert" not in shown


@pytest.mark.parametrize("content", [b"", b"this is no archive"])
def test_what_is_no_package_is_refused_in_words(content):
    file = SimpleUploadedFile("x.bvpackage", content)

    response = upload(superuser(), make.tenant(), file)

    assert "file" in response.context["form"].errors


def test_the_same_version_twice_is_refused():
    place = make.tenant()
    upload(superuser(), place, make.package_file(name="invoices"))

    response = upload(superuser(), place, make.package_file(name="invoices"))

    assert "already exists" in text_of(response)
    assert PackageVersion.objects.count() == 1


def test_the_form_says_how_large_a_file_may_be():
    assert f"{limits.DEFAULT.packed_bytes // limits.MIB} MiB" in text_of(superuser().get(new(Package)))


def test_a_file_is_given_to_whoever_may_have_it_and_that_is_written_down():
    version = make.package_version()

    response = superuser().get(page_of(version, "download"))

    assert b"".join(response.streaming_content)[:2] == b"PK"
    assert response["Content-Disposition"] == f'attachment; filename="{version.file_name}"'
    assert AuditEntry.objects.filter(action="package.downloaded").count() == 1


def test_a_file_is_not_given_to_whoever_may_only_look():
    version = make.package_version()
    visitor = with_permissions("packages.view_package")

    response = visitor.get(page_of(version, "download"))

    assert response.status_code == 403
    assert page_of(version, "download") not in text_of(visitor.open(version))
    assert AuditEntry.objects.get(outcome="refused").permission == "packages.download_packageversion"


def test_a_file_that_is_gone_is_said_to_be():
    version = make.package_version()
    PackageVersion.objects.filter(pk=version.pk).update(storage_name="nowhere")

    response = superuser().get(page_of(version, "download"))

    assert response.status_code == 404
    assert "is missing" in text_of(response)


def test_the_file_of_another_tenant_is_not_there():
    version = rows.version(make.tenant())

    assert (
        Visitor(make.user("packages.download_packageversion", inside=make.tenant()))
        .get(page_of(version, "download"))
        .status_code
        == 404
    )


def test_the_list_names_the_newest_active_version():
    folder = make.folder()
    make.package_version(folder, name="invoices", version="1.2.0")
    make.package_version(folder, name="invoices", version="1.10.0")

    assert "1.10.0" in text_of(superuser().get(list_of(Package)))


def test_the_next_steps_from_a_package_begin_where_it_is():
    package = rows.package(make.tenant())
    visitor = superuser()

    shown = text_of(visitor.open(package))
    form = visitor.get(f"/admin/processes/process/add/?folder={package.folder_id}&package={package.pk}").context["form"]

    assert f"?folder={package.folder_id}&amp;package={package.pk}" in shown
    assert form["package"].value() == str(package.pk)


def test_a_version_in_use_is_not_deleted():
    process = make.process()

    response = superuser().do(process.package.newest_version(), "delete")

    assert "last active version" in text_of(response)
