"""Assets in the calls of existing BV clients, and who is given what is secret."""

from __future__ import annotations

from typing import Any

import pytest

from apps.assets import services as assets
from apps.assets.models import Asset
from apps.audit.models import AuditEntry
from apps.processes import services as processes
from apps.robots import services as robots
from apps.tenancy import services as tenancy
from tests import make
from tests.jobs.reports import finish
from tests.make import SYSTEM
from tests.runner.older import ROOTS
from tests.runner.test_job_tokens import Speaker, started

pytestmark = pytest.mark.django_db

API = "/api"


@pytest.fixture
def execution():
    """A lease on a job in a folder with an asset of each kind."""
    process = make.process(make.folder())
    folder = process.folder
    make.asset(folder, name="rate", type="integer", value=7)
    make.asset(folder, name="greeting", value="hello")
    make.asset(folder, name="dry", type="boolean", value=True)
    make.asset(folder, name="key", type="secret", value=None, secrets={"value": "hunter2"})
    make.asset(
        folder, name="Bank", type="credential", kind="password",
        value={"username": "ada"}, secrets={"password": "pw"},
    )  # fmt: skip
    make.job(process)
    return make.claimed(make.session(make.robot(of=process.tenant)))


@pytest.fixture
def job(execution):
    """The job, once it has begun."""
    return started(execution)


@pytest.fixture
def robot(execution, job):
    """Its robot, in its own name."""
    return Speaker(robots.rotate_token(execution.robot, actor=SYSTEM))


def resolve(speaker: Speaker, name: Any, root: str = API) -> Any:
    return speaker.post(f"{root}/runtime/secrets/resolve", {"name": name})


def asset_named(execution, name: str):
    return Asset.objects.get(folder_id=execution.folder_id, name=name)


@pytest.mark.parametrize("root", ROOTS)
class TestEverySurface:
    def test_reads_a_plain_asset(self, job, root):
        shown = job.get(f"{root}/runtime/assets/RATE").json()

        assert (shown["name"], shown["type"], shown["value"]) == ("rate", "int", 7)

    def test_hands_out_a_secret(self, job, root):
        answer = resolve(job, "key", root)

        assert answer.json() == {"value": "hunter2"}
        assert answer.headers["Cache-Control"] == "no-store"

    def test_hands_out_a_credential(self, job, root):
        assert job.get(f"{root}/runtime/credentials/bank").json()["username"] == "ada"
        assert resolve(job, "bank.password", root).json() == {"value": "pw"}


class TestReading:
    def test_shows_of_a_secret_only_that_there_is_one(self, job):
        assert job.get(f"{API}/assets/name/key").json()["value"] == "***"
        assert "pw" not in job.get(f"{API}/assets/name/bank").content.decode().replace("password", "")

    def test_tells_alike_what_is_not_there_and_what_is_elsewhere(self, execution, job):
        make.asset(make.folder(), name="foreign")

        answers = [job.get(f"{API}/assets/name/{name}") for name in ("nothing", "foreign")]

        assert [answer.status_code for answer in answers] == [404, 404]

    def test_finds_what_the_folders_above_hold(self, execution, job):
        tenant = execution.tenant
        inner = tenancy.create_folder(execution.folder, actor=SYSTEM, name="Inner")
        process = make.process(inner)
        make.job(process)
        worker = make.robot(of=tenant)
        robots.update_robot(worker, actor=SYSTEM, folders=[inner])
        inner_job = started(make.claimed(make.session(worker)))

        assert inner_job.get(f"{API}/assets/name/greeting").json()["value"] == "hello"

    def test_takes_the_value_of_its_own_robot(self, execution, job):
        place = assets.Place(robot=execution.robot)
        assets.set_value(asset_named(execution, "greeting"), actor=SYSTEM, value="ahoy", place=place)

        assert job.get(f"{API}/assets/name/greeting").json()["value"] == "ahoy"

    def test_answers_older_programs_as_they_ask(self, job):
        assert job.get(f"{API}/assets/secret/key").json() == {"value": "hunter2"}
        assert job.get(f"{API}/assets/credential/bank").json() == {"username": "ada", "password": "pw"}

    @pytest.mark.parametrize("name", ["rate.password", "bank.pin", "bank", "key.value", "", ".", "a" * 300])
    def test_refuses_names_that_mean_no_secret(self, job, name):
        assert resolve(job, name).status_code in (400, 404)

    @pytest.mark.parametrize("body", [{}, {"name": 7}, {"name": None}])
    def test_names_what_is_wrong_with_the_body(self, job, body):
        answer = job.post(f"{API}/runtime/secrets/resolve", body)

        assert answer.status_code == 400
        assert "name" in answer.content.decode()


class TestDelivery:
    def test_is_written_down_without_the_secret(self, execution, job):
        resolve(job, "key")

        entry = AuditEntry.objects.get(action="asset.delivered")
        assert entry.after == {"execution": str(execution.pk), "place": "everywhere else"}
        assert entry.actor_kind == "job"
        assert "hunter2" not in str(AuditEntry.objects.filter(pk=entry.pk).values().get())

    def test_is_for_running_jobs_only(self, execution, job, robot):
        assert resolve(robot, "key").json() == {"value": "hunter2"}

        finish(execution)

        assert resolve(job, "key").status_code == 401
        assert resolve(robot, "key").status_code == 404

    def test_needs_the_process_to_be_listed_where_the_asset_says_so(self, execution, job):
        asset = asset_named(execution, "key")
        assets.update_asset(asset, actor=SYSTEM, usable_by="listed")

        refused = resolve(job, "key")
        assert (refused.status_code, refused.json()["code"]) == (403, "asset_not_usable")

        processes.update_process(execution.process, actor=SYSTEM, may_use=[asset])
        assert resolve(job, "key").json() == {"value": "hunter2"}

    def test_is_never_to_whom_signs_with_an_api_key(self, execution, client):
        key = make.api_key(make.user(superuser=True), execution.tenant)

        answer = client.post(
            f"{API}/runtime/secrets/resolve", {"name": "key"}, "application/json", headers={"X-Api-Key": key}
        )

        assert answer.status_code == 401
        assert "hunter2" not in answer.content.decode()


class TestSetting:
    @pytest.mark.parametrize(
        ("name", "sent", "kept"),
        [("rate", 8, 8), ("rate", "9", 9), ("greeting", 5, "5"), ("dry", "no", False), ("dry", True, True)],
    )
    def test_reads_texts_as_the_asset_needs_them(self, execution, job, name, sent, kept):
        answer = job.put(f"{API}/assets/name/{name}", {"value": sent})

        assert answer.status_code == 200, answer.content
        assert asset_named(execution, name).values.get().value == kept

    @pytest.mark.parametrize(
        ("name", "sent"),
        [("rate", "many"), ("rate", "--5"), ("rate", "9" * 5_000), ("dry", "perhaps"), ("key", "x")],
        ids=["words", "signs", "digits", "neither", "a secret"],
    )
    def test_refuses_what_does_not_fit(self, job, name, sent):
        assert job.put(f"{API}/assets/name/{name}", {"value": sent}).status_code == 400

    def test_needs_the_process_to_be_listed_where_the_asset_says_so(self, execution, job):
        asset = asset_named(execution, "key")
        assets.update_asset(asset, actor=SYSTEM, usable_by="listed")

        refused = job.put(f"{API}/assets/secret/key", {"value": "planted"})
        assert (refused.status_code, refused.json()["code"]) == (403, "asset_not_usable")
        assert asset.values.get().unseal() == {"value": "hunter2"}

        processes.update_process(execution.process, actor=SYSTEM, may_use=[asset])
        assert job.put(f"{API}/assets/secret/key", {"value": "new"}).status_code == 200

    def test_seals_secrets_anew(self, job):
        assert job.put(f"{API}/assets/secret/key", {"value": "new"}).status_code == 200
        assert job.put(f"{API}/assets/credential/bank", {"username": "bob", "password": "pw2"}).status_code == 200

        assert resolve(job, "key").json() == {"value": "new"}
        assert job.get(f"{API}/assets/credential/bank").json() == {"username": "bob", "password": "pw2"}
