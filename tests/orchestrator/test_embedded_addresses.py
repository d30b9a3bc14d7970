"""Addresses and the key of a data directory: known without starting anything."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import environ
import pytest

from orchestrator import embedded
from orchestrator.embedded import places
from orchestrator.embedded.accounts import Account
from orchestrator.embedded.errors import EmbeddedError

MINE = Account(os.geteuid(), os.getegid())


def test_a_data_directory_always_has_the_same_addresses(tmp_path):
    assert embedded.urls(tmp_path) == embedded.urls(tmp_path / "x" / "..")
    assert embedded.urls(tmp_path) != embedded.urls(tmp_path / "x")


def test_asking_for_addresses_makes_nothing(tmp_path):
    embedded.urls(tmp_path / "data")

    assert not (tmp_path / "data").exists()
    assert not places.socket_folder(tmp_path / "data").exists()


def test_what_cannot_be_a_data_directory_is_refused_by_name(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.touch()

    with pytest.raises(EmbeddedError, match="file cannot be made a data directory: File exists"):
        places.make_data_dir(in_the_way)
    with pytest.raises(EmbeddedError, match="file/below cannot be made a data directory: Not a directory"):
        places.make_data_dir(in_the_way / "below")


def test_sockets_fit_into_what_the_kernel_allows_however_deep_the_checkout():
    folder = places.socket_folder(Path("/") / "deep" / ("x" * 200))

    assert len(f"{folder}/.s.PGSQL.5432") < 100


def test_django_reads_the_address_of_the_database(tmp_path):
    database = environ.Env.db_url_config(embedded.urls(tmp_path).database)

    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["NAME"], database["USER"], database["HOST"]) == ("bv", "bv", "")
    assert database["OPTIONS"] == {"host": str(places.socket_folder(tmp_path)), "port": 5432}


def test_the_data_directory_is_in_the_checkout_unless_the_environment_names_one(monkeypatch, tmp_path):
    monkeypatch.delenv("BV_DATA_DIR", raising=False)
    assert embedded.default_data_dir() == embedded.CHECKOUT / ".run"

    monkeypatch.setenv("BV_DATA_DIR", str(tmp_path))
    assert embedded.default_data_dir() == tmp_path


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATABASE_URL_FILE"])
def test_a_setting_is_given_by_value_or_by_file(monkeypatch, name):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert not embedded.is_given("DATABASE_URL")

    monkeypatch.setenv(name, "something")
    assert embedded.is_given("DATABASE_URL")


def test_the_secret_key_is_made_once_for_its_owner_alone(tmp_path):
    key = embedded.secret_key(tmp_path)

    assert len(key) >= 50
    assert embedded.secret_key(tmp_path) == key
    assert (tmp_path / "secret_key").stat().st_mode & 0o777 == 0o600


def test_many_first_askers_get_one_secret_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: embedded.secret_key(tmp_path), range(32)))

    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_the_folder_of_the_sockets_is_closed_to_others(tmp_path):
    folder = places.make_socket_folder(tmp_path, MINE)

    assert folder.stat().st_mode & 0o777 == 0o700
    places.remove_socket_folder(tmp_path)
    assert not folder.exists()


def test_a_folder_of_sockets_that_stands_open_is_closed(tmp_path):
    folder = places.socket_folder(tmp_path)
    folder.mkdir()
    folder.chmod(0o777)

    places.make_socket_folder(tmp_path, MINE)

    assert folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()


def test_something_else_in_the_place_of_the_sockets_is_refused(tmp_path):
    folder = places.socket_folder(tmp_path)
    folder.symlink_to(tmp_path)

    with pytest.raises(EmbeddedError, match="belongs to somebody else"):
        places.make_socket_folder(tmp_path, MINE)

    folder.unlink()


def test_a_folder_below_a_private_one_is_not_public(tmp_path):
    private = tmp_path / "private"
    (private / "open").mkdir(parents=True)
    private.chmod(0o700)
    (private / "open").chmod(0o755)

    assert not places.is_public(private / "open")
    assert places.is_public(Path("/usr/bin"))


def test_the_database_of_an_ordinary_user_lies_in_the_data_directory(tmp_path):
    assert places.cluster_folder(tmp_path, MINE) == tmp_path / "postgres"


def test_roots_database_in_a_private_folder_lies_in_a_public_place_and_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "PUBLIC", tmp_path / "public")
    data_dir = tmp_path / "private"
    data_dir.mkdir(mode=0o700)
    another = Account(os.geteuid() + 1, os.getegid())

    folder = places.cluster_folder(data_dir, another)

    assert folder.parent == tmp_path / "public" / "data"
    assert places.cluster_folder(data_dir, another) == folder


def test_a_public_place_that_cannot_be_made_is_said_with_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(places, "PUBLIC", tmp_path / "file")

    with pytest.raises(EmbeddedError, match="Set DATABASE_URL, or run as an ordinary user"):
        places.public_folder("data")
