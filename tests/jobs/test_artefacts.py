"""What becomes of the files that jobs left: read, downloaded, deleted, swept."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.core.actors import Actor
from apps.core.errors import NotAllowed
from apps.core.files import facts
from apps.jobs import services as jobs
from apps.jobs.models import Artefact
from apps.rbac import services as rbac
from tests import api, make

pytestmark = pytest.mark.django_db

UNKNOWN = "0193f3a0-5b7e-7c1d-9d2a-4a3f0c9b1e22"


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    """A store of the test's own."""
    ours = settings.STORAGES["artefacts"]
    storage = ours | {"OPTIONS": ours["OPTIONS"] | {"location": tmp_path}}
    settings.STORAGES = settings.STORAGES | {"artefacts": storage}
    return tmp_path


@pytest.fixture
def execution():
    """An open execution."""
    return make.running_job()


@pytest.fixture
def artefact(execution):
    """A file that it left."""
    return make.artefact(execution, b"a;b\n", name="Übersicht; 1.csv", content_type="text/csv")


def file_of(artefact: Artefact) -> Path:
    return Path(jobs.ARTEFACTS.storage.path(artefact.storage_name))


def sweep(age: timedelta = timedelta(hours=1)) -> int:
    return jobs.sweep_artefacts(timezone.now() - age, actor=make.SYSTEM)


class TestReading:
    def test_a_job_and_an_execution_list_what_they_left(self, execution, artefact):
        newer, foreign = make.artefact(execution), make.artefact()
        root = api.root()

        of_job = root.get(f"jobs/{execution.job_id}/artefacts")
        of_execution = root.get(f"executions/{execution.pk}/artefacts")

        assert api.ids(of_job) == api.ids(of_execution) == [str(newer.pk), str(artefact.pk)]
        assert api.ids(root.get(f"jobs/{foreign.job_id}/artefacts")) == [str(foreign.pk)]

    def test_a_list_has_pages(self, execution):
        for _ in range(3):
            make.artefact(execution)

        page = api.root().get(f"executions/{execution.pk}/artefacts", {"page_size": 2})

        assert len(api.ids(page)) == 2
        assert page.json()["next"]

    def test_a_file_says_what_it_is_and_where_it_is_had(self, artefact):
        shown = api.root().get(f"artefacts/{artefact.pk}").json()

        assert (shown["name"], shown["size_bytes"], shown["content_type"]) == ("Übersicht; 1.csv", 4, "text/csv")
        assert shown["sha256"] == artefact.sha256
        assert shown["download_url"] == f"/api/v1/artefacts/{artefact.pk}/download"

    @pytest.mark.parametrize("path", ["", "/download"])
    def test_what_one_may_not_see_is_not_there(self, artefact, path):
        stranger = api.Caller(make.user("jobs.view_job", inside=make.tenant()))

        refused, unknown = (stranger.get(f"artefacts/{one}{path}") for one in (artefact.pk, UNKNOWN))

        assert refused.status_code == unknown.status_code == 404
        assert refused.json()["detail"] == unknown.json()["detail"]

    @pytest.mark.parametrize("collection", ["jobs", "executions"])
    def test_the_files_of_a_job_of_another_tenant_are_not_there(self, execution, artefact, collection):
        stranger = api.Caller(make.user("jobs.view_job"), key_in=make.tenant())
        identity = execution.job_id if collection == "jobs" else execution.pk

        assert stranger.get(f"{collection}/{identity}/artefacts").status_code == 404

    def test_with_whom_a_job_is_shared_sees_and_takes_its_files(self, execution, artefact):
        friend = make.user()
        rbac.share_object(execution.job, actor=make.SYSTEM, user=friend, permission="jobs.view_job")
        caller = api.Caller(friend)

        assert api.ids(caller.get(f"jobs/{execution.job_id}/artefacts")) == [str(artefact.pk)]
        assert caller.get(f"artefacts/{artefact.pk}/download").whole == b"a;b\n"


class TestDownloading:
    def test_a_file_comes_as_an_attachment_that_nothing_is_guessed_about(self, artefact):
        answer = api.root().get(f"artefacts/{artefact.pk}/download")

        assert answer.whole == b"a;b\n"
        assert answer.headers["Content-Disposition"] == "attachment; filename*=utf-8''%C3%9Cbersicht%3B%201.csv"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert (answer.headers["Content-Type"], answer.headers["Content-Length"]) == ("text/csv", "4")
        assert answer.headers["ETag"] == f'"{artefact.sha256}"'

    @pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/javascript", "x/y", ""])
    def test_what_a_browser_could_run_comes_as_plain_bytes(self, kind):
        artefact = make.artefact(content_type=kind)

        answer = api.root().get(f"artefacts/{artefact.pk}/download")

        assert answer.headers["Content-Type"] == facts.UNKNOWN
        assert answer.headers["Content-Disposition"].startswith("attachment;")

    def test_who_has_it_already_gets_nothing(self, artefact):
        answer = api.root().get(f"artefacts/{artefact.pk}/download", **{"If-None-Match": f'"{artefact.sha256}"'})

        assert (answer.status_code, answer.whole) == (304, b"")

    def test_a_download_stands_in_the_audit_trail(self, artefact):
        reader = api.root()

        reader.get(f"artefacts/{artefact.pk}/download")

        entry = AuditEntry.objects.get(action="artefact.downloaded")
        assert (str(entry.target_id), str(entry.actor_id)) == (str(artefact.pk), str(reader.person.pk))

    def test_a_file_that_is_gone_is_said_to_be(self, artefact):
        file_of(artefact).unlink()

        answer = api.root().get(f"artefacts/{artefact.pk}/download")

        assert answer.status_code == 404
        assert "Restore it" in answer.json()["detail"]
        assert not AuditEntry.objects.filter(action="artefact.downloaded").exists()


class TestDeleting:
    def test_the_file_and_its_row_go_and_the_trail_tells(self, artefact, django_capture_on_commit_callbacks):
        remover = api.Caller(make.user("jobs.view_job", "jobs.delete_artefact", inside=artefact.tenant))

        with django_capture_on_commit_callbacks(execute=True):
            answer = remover.delete(f"artefacts/{artefact.pk}")

        assert answer.status_code == 204
        assert not Artefact.objects.exists()
        assert not file_of(artefact).exists()
        assert AuditEntry.objects.get(action="artefact.deleted").before["name"] == "Übersicht; 1.csv"

    def test_it_takes_the_permission(self, artefact):
        viewer = api.Caller(make.user("jobs.view_job", inside=artefact.tenant))

        assert viewer.delete(f"artefacts/{artefact.pk}").status_code == 403
        assert file_of(artefact).exists()

    def test_a_robot_may_not(self, execution, artefact):
        with pytest.raises(NotAllowed):
            jobs.delete_artefact(artefact, actor=make.acting(execution.robot))

    def test_another_tenant_finds_nothing_to_delete(self, artefact):
        stranger = api.Caller(make.user("jobs.view_job", "jobs.delete_artefact", inside=make.tenant()))

        assert stranger.delete(f"artefacts/{artefact.pk}").status_code == 404

    def test_a_deletion_that_is_taken_back_keeps_the_file(self, artefact, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=False):
            jobs.delete_artefact(artefact, actor=make.SYSTEM)

        assert file_of(artefact).exists()


class TestSweeping:
    def test_a_file_without_a_row_goes_and_the_others_stay(self, artefact):
        orphan = file_of(make.artefact())
        Artefact.objects.exclude(pk=artefact.pk).delete()
        os.utime(orphan, (0, 0))
        os.utime(file_of(artefact), (0, 0))

        assert (sweep(), sweep()) == (1, 0)

        assert (orphan.exists(), file_of(artefact).exists()) == (False, True)
        assert AuditEntry.objects.get(action="artefact.orphans_removed").after == {"files": 1}

    def test_an_upload_that_broke_off_goes_once_it_is_old(self):
        with jobs.ARTEFACTS.incoming() as file:
            path = Path(file.temporary_file_path())
            young = sweep()
            os.utime(path, (0, 0))
            old = sweep()

            assert (young, old, path.exists()) == (0, 1, False)

    def test_only_who_may_delete_everywhere_may_sweep(self):
        person = Actor.person(make.user("jobs.delete_artefact", inside=make.tenant()))

        with pytest.raises(NotAllowed):
            jobs.sweep_artefacts(timezone.now(), actor=person)
