"""Files that jobs left, on the pages of the admin."""

import pytest

from apps.jobs.models import Artefact
from tests import make
from tests.admin.visitors import Visitor, superuser, text_of, with_permissions

pytestmark = pytest.mark.django_db


@pytest.fixture
def execution():
    """An open execution."""
    return make.running_job()


def test_a_job_and_its_try_list_what_was_left(execution):
    artefact = make.artefact(execution, b"x" * 2048, name="<b>report</b>.csv", content_type="text/csv")
    visitor = superuser()

    of_job, of_try = text_of(visitor.open(execution.job)), text_of(visitor.open(execution))

    for shown in ("&lt;b&gt;report&lt;/b&gt;.csv", "2.0 KiB", "text/csv", artefact.sha256, f"{artefact.pk}/download/"):
        assert shown in of_job
        assert shown in of_try


def test_a_job_that_left_nothing_has_no_such_list(execution):
    visitor = superuser()

    assert "Files it left" not in text_of(visitor.open(execution.job))
    assert "Files it left" not in text_of(visitor.open(execution))
    assert "Files it left" not in text_of(visitor.open(make.job()))


def test_a_long_list_is_cut_and_says_so(execution, monkeypatch):
    monkeypatch.setattr("apps.jobs.admin.artefacts.MOST_SHOWN", 1)
    for _ in range(3):
        make.artefact(execution)

    assert "And 2 more" in text_of(superuser().open(execution))


def test_a_file_is_downloaded_from_its_page():
    artefact = make.artefact(content=b"<script>", name="a.html", content_type="text/html")

    answer = superuser().get(f"/admin/jobs/artefact/{artefact.pk}/download/")

    assert b"".join(answer.streaming_content) == b"<script>"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="a.html"'


def test_what_one_may_not_see_one_may_not_download():
    artefact = make.artefact()
    stranger = Visitor(make.user("jobs.view_job", inside=make.tenant()))

    assert stranger.get(f"/admin/jobs/artefact/{artefact.pk}/download/").status_code == 404


def test_who_may_delete_a_file_is_offered_it():
    artefact = make.artefact()
    address = f"/admin/jobs/artefact/{artefact.pk}/delete/"
    remover = with_permissions("jobs.view_job", "jobs.delete_artefact", inside=artefact.tenant)
    viewer = with_permissions("jobs.view_job", inside=artefact.tenant)

    offered, hidden = address in text_of(remover.open(artefact)), address in text_of(viewer.open(artefact))
    refused, done = viewer.post(address, {}), remover.post(address, {})

    assert (offered, hidden) == (True, False)
    assert (refused.status_code, done.status_code) == (403, 302)
    assert not Artefact.objects.exists()
