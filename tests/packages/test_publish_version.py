"""Publishing a version: all of it or none, once, whoever else publishes at the same time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.core.errors import NotAllowed
from apps.events.models import Event
from apps.packages import services
from apps.packages.models import Entrypoint, Package, PackageVersion
from apps.packages.rules import validation
from tests import make, roles
from tests.orchestrator.processes import eventually

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    """A store of packages of the test's own, where a role whose files lie in ``tmp_path`` has its own as well."""
    ours = settings.STORAGES["packages"]
    storage = ours | {"OPTIONS": ours["OPTIONS"] | {"location": tmp_path / "packages"}}
    settings.STORAGES = settings.STORAGES | {"packages": storage}
    return tmp_path / "packages"


def files(store):
    return sorted(path for path in store.rglob("*") if path.is_file())


def publish(folder, file, **said):
    report = validation.validate(file)
    file.seek(0)
    return services.publish_version(folder, actor=make.SYSTEM, report=report, file=file, **said)


def refusal(folder, file, **said):
    with pytest.raises(services.AlreadyPublished) as refused:
        publish(folder, file, **said)
    return str(refused.value)


def sweep_all():
    return services.sweep_files(timezone.now() + timedelta(hours=1), actor=make.SYSTEM)


class TestAVersion:
    def test_it_is_there_with_its_file_its_entrypoints_and_its_history(self, store):
        version = publish(make.folder(), make.package_file("invoices", "1.2.3"))

        assert (version.package.name, version.version, version.is_active) == ("invoices", "1.2.3", True)
        assert [entrypoint.name for entrypoint in version.entrypoints.all()] == ["main"]
        assert files(store) == [store / version.storage_name]
        assert (store / version.storage_name).stat().st_size == version.size_bytes
        assert AuditEntry.objects.get(action="package.uploaded").after["sha256"] == version.sha256
        assert Event.objects.get(type="package.published").data["version"] == "1.2.3"

    def test_its_file_is_not_for_everybody_on_the_machine(self, store):
        version = publish(make.folder(), make.package_file())

        file = store / version.storage_name
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o640, 0o750)

    def test_nobody_without_permission_publishes(self, store):
        folder, file = make.folder(), make.package_file()
        stranger = make.acting(make.robot(of=folder.tenant))

        with pytest.raises(NotAllowed):
            services.publish_version(folder, actor=stranger, report=validation.validate(file), file=file)

        assert files(store) == []

    def test_names_that_differ_in_case_are_one(self, store):
        folder = make.folder()
        publish(folder, make.package_file("Invoices", "1.0.0"))

        said = refusal(folder, make.package_file("invoices", "1.0.1"))

        assert said == "The package is called “Invoices” here. Names differing in case are one."
        assert Package.objects.count() == 1
        assert len(files(store)) == 1

    def test_another_folder_may_have_the_same(self):
        here = make.folder()
        there = make.folder()
        file = make.package_file("invoices", "1.0.0")

        publish(here, file)
        file.seek(0)
        publish(there, file)

        assert Package.objects.filter(name="invoices").count() == 2

    def test_a_version_that_is_there_is_refused_and_its_file_is_not_kept(self, store):
        folder = make.folder()
        version = publish(folder, make.package_file("invoices", "1.0.0"))

        said = refusal(folder, make.package_file("invoices", "1.0.0", source="def main(): return 'other'\n"))

        assert said == "Package invoices@1.0.0 already exists"
        assert files(store) == [store / version.storage_name]

    def test_the_number_of_a_deleted_version_is_never_used_again(self):
        folder = make.folder()
        services.delete_version(publish(folder, make.package_file("invoices", "1.0.0")), actor=make.SYSTEM)

        said = refusal(folder, make.package_file("invoices", "1.0.0"))

        assert said.startswith("Package invoices@1.0.0 was deleted.")
        assert PackageVersion.reason_against(folder, "invoices", "1.0.0") == said

    def test_the_name_of_a_deleted_package_is_free_with_all_its_numbers(self):
        folder, file = make.folder(), make.package_file("invoices", "1.0.0")
        services.delete_package(publish(folder, file).package, actor=make.SYSTEM)
        file.seek(0)

        again = publish(folder, file)

        assert again.package.deleted_at is None

    def test_rows_that_are_refused_for_another_reason_are_not_explained_away(self, store, monkeypatch):
        def lose_default(version, report):
            entrypoints = entrypoints_of(version, report)
            return [*entrypoints, *entrypoints_of(version, report)]

        entrypoints_of = services._entrypoints
        monkeypatch.setattr(services, "_entrypoints", lose_default)

        with pytest.raises(IntegrityError):
            publish(make.folder(), make.package_file())

        assert files(store) == []


@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    def at_once(self, folder, uploads):
        def publish_one(file):
            try:
                return publish(folder, file).version
            except services.AlreadyPublished as refused:
                return str(refused)
            finally:
                connection.close()

        with ThreadPoolExecutor(len(uploads)) as pool:
            return sorted(pool.map(publish_one, uploads))

    def test_of_many_that_publish_one_version_one_does(self, store):
        folder = make.folder()
        uploads = [make.package_file("invoices", "1.0.0") for _ in range(6)]

        answers = self.at_once(folder, uploads)

        assert answers == ["1.0.0", *["Package invoices@1.0.0 already exists"] * 5]
        assert PackageVersion.objects.count() == Package.objects.count() == 1
        assert files(store) == [store / PackageVersion.objects.get().storage_name]

    def test_the_first_versions_of_a_new_package_make_one_package(self, store):
        folder = make.folder()

        answers = self.at_once(folder, [make.package_file("invoices", f"1.0.{number}") for number in range(6)])

        assert answers == [f"1.0.{number}" for number in range(6)]
        assert Package.objects.count() == 1
        assert len(files(store)) == 6


KILLED = """
import os, signal, sys
import django
django.setup()
from apps.{module} import services as target

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

target.{name} = die
from apps.core.actors import Actor
from apps.packages import services
from apps.packages.rules import validation
from apps.tenancy.models import Folder

with open(sys.argv[1], "rb") as file:
    report = validation.validate(file)
    file.seek(0)
    folder = Folder.objects.get(pk=sys.argv[2])
    services.publish_version(folder, actor=Actor.system("killed"), report=report, file=file)
"""


@pytest.mark.django_db(transaction=True)
class TestAKill:
    @pytest.mark.parametrize(
        ("module", "name"), [("packages", "_entrypoints"), ("audit", "record"), ("events", "record")]
    )
    def test_between_the_file_and_the_commit_leaves_an_orphan_and_no_half_version(self, store, tmp_path, module, name):
        folder, file = make.folder(), tmp_path / "sent"
        file.write_bytes(make.package_file("invoices", "1.0.0").getvalue())

        killed = subprocess.run(
            [sys.executable, "-c", KILLED.format(module=module, name=name), str(file), str(folder.pk)],
            env=roles.environment(FILES_DIR=str(tmp_path)),
            cwd=roles.CHECKOUT,
            check=False,
        )

        assert killed.returncode == -signal.SIGKILL
        assert len(files(store)) == 1
        assert not PackageVersion.objects.exists()
        assert not Package.objects.exists()
        assert not Entrypoint.objects.exists()

        assert sweep_all() == 1
        with file.open("rb") as again:
            version = publish(folder, again)
        assert files(store) == [store / version.storage_name]

    def test_in_the_middle_of_an_upload_leaves_nothing_but_what_is_swept(self, store, tmp_path):
        key = make.api_key(make.user(superuser=True), make.tenant())
        with (
            roles.running("web", health="/health/live", log=tmp_path / "log", FILES_DIR=str(tmp_path)) as (url, web),
            half_an_upload(url, key),
        ):
            eventually(lambda: files(store) and files(store)[0].stat().st_size > 500_000)
            os.killpg(web.pid, signal.SIGKILL)
            web.wait()

        assert [path.parent.name for path in files(store)] == [".uploads"]
        assert not Package.objects.exists()
        assert sweep_all() == 1
        assert files(store) == []


def half_an_upload(url, key):
    """Send the first megabyte of two, and keep the connection open."""
    address = urlsplit(url)
    opening = (
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.bvpackage"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n"
    )
    head = (
        f"POST /api/v1/packages/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: multipart/form-data; boundary=edge\r\nContent-Length: {2**21}\r\n\r\n"
    )
    connection = socket.create_connection((address.hostname, address.port), timeout=30)
    connection.sendall(head.encode() + opening + b"x" * 2**20)
    return connection


class TestSwitching:
    def test_a_version_is_switched_off_and_on_once(self):
        version = publish(make.folder(), make.package_file())

        services.deactivate_version(version, actor=make.SYSTEM, reason="broken")
        services.deactivate_version(version, actor=make.SYSTEM)
        assert not version.is_active
        assert version.package.newest_version() is None

        services.activate_version(version, actor=make.SYSTEM)
        services.activate_version(version, actor=make.SYSTEM)
        assert version.is_active
        actions = AuditEntry.objects.filter(action__startswith="package.version_").order_by("seq")
        assert [(entry.action, entry.reason) for entry in actions] == [
            ("package.version_deactivated", "broken"),
            ("package.version_activated", ""),
        ]

    def test_the_newest_is_the_highest_number_that_is_switched_on(self):
        folder = make.folder()
        versions = {number: publish(folder, make.package_file("i", number)) for number in ("1.9.0", "1.10.0", "1.2.0")}
        package = versions["1.9.0"].package

        assert package.newest_version() == versions["1.10.0"]
        services.deactivate_version(versions["1.10.0"], actor=make.SYSTEM)
        assert package.newest_version() == versions["1.9.0"]


class TestDeleting:
    def test_a_version_that_a_process_is_pinned_to_stays(self):
        folder = make.folder()
        version, other = (publish(folder, make.package_file("invoices", number)) for number in ("1.0.0", "2.0.0"))
        make.process(folder, package=version.package, version_policy="pinned", pinned_version=version, name="monthly")

        with pytest.raises(services.InUse, match=r"invoices 1\.0\.0 is pinned by monthly"):
            services.delete_version(version, actor=make.SYSTEM)
        services.delete_version(other, actor=make.SYSTEM)

        assert list(version.package.versions.filter(deleted_at=None)) == [version]

    def test_the_last_version_that_processes_can_use_stays(self):
        folder = make.folder()
        old, new = (publish(folder, make.package_file("invoices", number)) for number in ("1.0.0", "2.0.0"))
        make.process(folder, package=old.package, name="monthly")
        services.deactivate_version(old, actor=make.SYSTEM)

        with pytest.raises(services.InUse, match="last active version"):
            services.delete_version(new, actor=make.SYSTEM)

    def test_a_package_that_a_process_uses_stays(self):
        folder = make.folder()
        version = publish(folder, make.package_file("invoices"))
        make.process(folder, package=version.package, name="monthly")

        with pytest.raises(services.InUse, match="“invoices” is used by monthly"):
            services.delete_package(version.package, actor=make.SYSTEM)

    def test_a_job_made_before_still_gets_its_file(self):
        execution = make.running_job()
        version = execution.job.package_version
        PackageVersion.objects.filter(pk=version.pk).update(deleted_at=timezone.now())

        found = services.version_for_robot(version.pk, actor=make.acting(execution.robot), robot=execution.robot)

        assert found == version
        services.open_file(found).close()


class TestSweeping:
    def test_the_file_of_a_living_version_is_never_removed(self, store):
        version = publish(make.folder(), make.package_file())

        assert sweep_all() == 0
        assert files(store) == [store / version.storage_name]
        assert not AuditEntry.objects.filter(action="package.orphans_removed").exists()

    def test_the_file_of_a_deleted_version_stays_for_a_while(self, store):
        version = publish(make.folder(), make.package_file())
        services.delete_version(version, actor=make.SYSTEM)

        assert sweep_all() == 0
        PackageVersion.objects.update(deleted_at=timezone.now() - timedelta(days=31))
        assert sweep_all() == 1
        assert files(store) == []
        assert AuditEntry.objects.get(action="package.orphans_removed").after == {"files": 1}

    def test_a_file_that_goes_while_the_sweep_looks_is_nobodys_loss(self, store, monkeypatch):
        (store / ".uploads").mkdir(parents=True)
        for name in ("a", "b"):
            (store / ".uploads" / name).write_bytes(b"")
        listed = services._stored_names

        def list_and_lose_one():
            names = listed()
            (store / ".uploads" / "a").unlink()
            return names

        monkeypatch.setattr(services, "_stored_names", list_and_lose_one)

        assert sweep_all() == 1
        assert files(store) == []

    def test_only_files_older_than_asked_are_looked_at(self, store):
        (store / ".uploads").mkdir(parents=True)
        young, old = store / ".uploads" / "young", store / ".uploads" / "old"
        young.write_bytes(b"")
        old.write_bytes(b"")
        os.utime(old, (time.time() - 7200, time.time() - 7200))

        assert services.sweep_files(timezone.now() - timedelta(hours=1), actor=make.SYSTEM) == 1
        assert files(store) == [young]

    def test_many_files_are_looked_up_at_once(self, store, django_assert_max_num_queries):
        (store / ".uploads").mkdir(parents=True)
        for number in range(20):
            (store / ".uploads" / str(number)).write_bytes(b"")

        with django_assert_max_num_queries(5):
            assert sweep_all() == 20
