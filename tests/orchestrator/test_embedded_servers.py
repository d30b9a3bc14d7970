"""The embedded PostgreSQL and Valkey: made, joined by many, ended by the last, back after a kill."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import psycopg.errors
import pytest

from orchestrator import embedded
from orchestrator.embedded import places, servers, sharing
from orchestrator.embedded.errors import EmbeddedError, InUse
from orchestrator.embedded.postgres import Cluster
from orchestrator.embedded.sharing import Hold
from orchestrator.embedded.throwaway import throwaway
from orchestrator.supervisor import programs
from orchestrator.supervisor.children import BackOff
from orchestrator.supervisor.supervisor import Supervisor
from tests.orchestrator.processes import eventually, runs

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_servers_given(monkeypatch):
    """The environment names no servers, although that of the test run does."""
    for name in ("DATABASE_URL", "CELERY_BROKER_URL", "DATABASE_URL_FILE", "CELERY_BROKER_URL_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def data_dir():
    """A data directory that root's other account may pass through, which pytest's own folders do not allow."""
    folder = Path(tempfile.mkdtemp(prefix="bv-test-"))
    folder.chmod(0o711)
    yield folder
    for server in servers.needed(folder):
        servers.end(server)
    shutil.rmtree(places.socket_folder(folder), ignore_errors=True)
    shutil.rmtree(folder)


def ask(data_dir, query):
    with psycopg.connect(embedded.urls(data_dir).database, connect_timeout=5, autocommit=True) as connection:
        return connection.execute(query).fetchone()


def write_a_note(data_dir):
    with psycopg.connect(embedded.urls(data_dir).database) as connection:
        connection.execute("CREATE TABLE note AS SELECT 'kept' AS text")


def postmaster_of(data_dir):
    return int((Cluster.of(data_dir).data / "postmaster.pid").read_text().split()[0])


def test_servers_run_for_the_time_of_a_command(data_dir):
    with sharing.servers_for_command(data_dir):
        database, broker = servers.needed(data_dir)
        answers = (database.is_ready(), broker.is_ready())

    assert answers == (True, True)
    assert not database.is_ready()
    assert not broker.is_ready()
    assert not places.socket_folder(data_dir).exists()


def test_what_one_command_wrote_the_next_one_reads(data_dir):
    with sharing.servers_for_command(data_dir):
        write_a_note(data_dir)

    with sharing.servers_for_command(data_dir):
        assert ask(data_dir, "SELECT text FROM note") == ("kept",)


def test_the_applications_role_owns_its_database_and_is_no_superuser(data_dir):
    with sharing.servers_for_command(data_dir):
        role = ask(data_dir, "SELECT rolsuper, rolcreatedb, rolname FROM pg_roles WHERE rolname = current_user")
        owner = ask(data_dir, "SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()")

        assert role == (False, True, "bv")
        assert owner == ("bv",)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(data_dir, "SET session_replication_role = replica")


def test_the_database_keeps_what_it_confirmed_and_sorts_the_same_everywhere(data_dir):
    with sharing.servers_for_command(data_dir):
        found = ask(
            data_dir,
            "SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_setting('TimeZone'), "
            "(SELECT datlocale FROM pg_database WHERE datname = current_database())",
        )

    assert found == ("on", "on", "UTC", "C.UTF-8")


def test_settings_of_the_persons_own_change_nothing(data_dir, monkeypatch):
    monkeypatch.setenv("PGPORT", "7777")
    monkeypatch.setenv("PGDATA", "/no/such/folder")

    with sharing.servers_for_command(data_dir):
        assert ask(data_dir, "SELECT current_setting('port')") == ("5432",)


def test_only_what_is_missing_is_started(data_dir, monkeypatch):
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://broker.example")

    with sharing.servers_for_command(data_dir):
        assert [server.name for server in servers.needed(data_dir)] == ["postgres"]
        assert not (data_dir / "valkey").exists()


COMMAND = """
import sys
from pathlib import Path
import psycopg
from orchestrator import embedded
from orchestrator.embedded import sharing

data_dir = Path(sys.argv[1])
with sharing.servers_for_command(data_dir):
    with psycopg.connect(embedded.urls(data_dir).database) as connection:
        print(connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()[0], flush=True)
    sys.stdin.read()
"""


def start_command(data_dir):
    command = [sys.executable, "-c", COMMAND, str(data_dir)]
    return subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def end_command(process):
    process.communicate()
    return process.returncode


def test_six_commands_at_once_make_one_database_and_all_use_it(data_dir):
    commands = [start_command(data_dir) for _ in range(6)]

    identifiers = {command.stdout.readline() for command in commands}
    codes = {end_command(command) for command in commands}

    assert len(identifiers) == 1
    assert codes == {0}
    assert not any(server.is_ready() for server in servers.needed(data_dir))


def test_the_servers_stay_until_the_last_command_leaves(data_dir):
    first = start_command(data_dir)
    first.stdout.readline()
    second = start_command(data_dir)
    second.stdout.readline()

    end_command(first)
    stayed = all(server.is_ready() for server in servers.needed(data_dir))
    end_command(second)

    assert stayed
    assert not any(server.is_ready() for server in servers.needed(data_dir))


def test_the_next_command_ends_what_a_killed_one_left(data_dir):
    killed = start_command(data_dir)
    killed.stdout.readline()
    killed.kill()
    killed.communicate()
    left = all(server.is_ready() for server in servers.needed(data_dir))

    end_command(start_command(data_dir))

    assert left
    assert not any(server.is_ready() for server in servers.needed(data_dir))


def test_a_command_that_is_asked_to_end_by_a_signal_ends_its_servers(data_dir):
    environment = os.environ | {"BV_DATA_DIR": str(data_dir), "BV_NO_BOOTSTRAP": "1"}
    code = "import time; print('here', flush=True); time.sleep(600)"
    command = [sys.executable, "manage.py", "shell", "-c", code]
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        eventually(lambda: process.stdout.readline() == "here\n")
        process.terminate()

    assert process.returncode == 143
    assert not any(server.is_ready() for server in servers.needed(data_dir))


def test_a_server_that_does_not_start_says_why_and_leaves_nothing(data_dir):
    with sharing.servers_for_command(data_dir):
        pass
    (Cluster.of(data_dir).data / "postgresql.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(EmbeddedError, match=r"(?s)postgres did not start.*no_such_setting"):
        sharing.servers_for_command(data_dir).__enter__()

    assert not any(server.is_ready() for server in servers.needed(data_dir))


def test_a_killed_postmaster_comes_back_with_its_rows(data_dir):
    said = []
    supervisor = Supervisor(data_dir / "logs", say=said.append, back_off=BackOff(first=0.05))
    cluster = Cluster.of(data_dir)
    cluster.create()
    supervisor.start(programs.of_server(cluster))
    supervisor.wait_ready("postgres", timeout=60)
    cluster.prepare()
    write_a_note(data_dir)
    before = postmaster_of(data_dir)

    os.kill(before, signal.SIGKILL)
    eventually(lambda: supervisor.pid_of("postgres") not in {None, before} and cluster.is_ready())

    assert ask(data_dir, "SELECT text FROM note") == ("kept",)
    assert said[0].startswith("postgres was ended by SIGKILL; starting it again in")
    supervisor.stop()
    assert not runs(before)


def test_a_cluster_that_is_stopped_has_nothing_to_recover(data_dir):
    supervisor = Supervisor(data_dir / "logs", say=lambda line: None)
    cluster = Cluster.of(data_dir)
    cluster.create()
    supervisor.start(programs.of_server(cluster))
    supervisor.wait_ready("postgres", timeout=60)

    supervisor.stop()

    assert "database system is shut down" in (data_dir / "logs" / "postgres.log").read_text()


def test_a_cluster_half_made_is_made_anew(data_dir):
    cluster = Cluster.of(data_dir)
    (cluster.data.parent / "postgres.0a1b2c3d").mkdir()

    cluster.create()
    cluster.create()

    assert (cluster.data / "PG_VERSION").read_text() == "18\n"


def test_a_second_up_is_told_who_holds_the_data_directory(data_dir):
    hold = Hold(data_dir, "http://127.0.0.1:8000, since today")

    with pytest.raises(InUse, match=rf"in use by another `up` \(process {os.getpid()}, http://127.0.0.1:8000"):
        Hold(data_dir, "the second")

    hold.release()
    Hold(data_dir, "the third").release()


def test_an_up_waits_for_a_command_that_uses_the_servers_but_not_for_ever(data_dir, monkeypatch):
    monkeypatch.setattr(sharing, "TAKE_SECONDS", 0.1)
    hold = Hold(data_dir, "up")

    with sharing.servers_for_command(data_dir), pytest.raises(InUse, match="Another command uses the database"):
        hold.take_servers(servers.needed(data_dir))

    hold.release()


def test_an_up_ends_servers_that_nobody_uses(data_dir):
    killed = start_command(data_dir)
    killed.stdout.readline()
    killed.kill()
    killed.communicate()
    hold = Hold(data_dir, "up")

    hold.take_servers(servers.needed(data_dir))

    assert not any(server.is_ready() for server in servers.needed(data_dir))
    hold.release()


def test_a_command_beside_an_up_uses_its_servers_and_leaves_them_alone(data_dir):
    hold = Hold(data_dir, "up")
    supervisor = Supervisor(data_dir / "logs", say=lambda line: None)
    wanted = servers.needed(data_dir)
    hold.take_servers(wanted)
    for server in wanted:
        server.create()
        supervisor.start(programs.of_server(server))
    supervisor.wait_ready(*(server.name for server in wanted), timeout=60)
    wanted[0].prepare()
    hold.share_servers()

    code = end_command(start_command(data_dir))

    assert code == 0
    assert all(server.is_ready() for server in wanted)
    supervisor.stop()
    hold.release()


def test_throwaway_servers_are_found_by_the_environment_and_leave_nothing():
    with throwaway(lambda line: None) as found:
        with psycopg.connect(found["DATABASE_URL"]) as connection:
            (fsync,) = connection.execute("SELECT current_setting('fsync')").fetchone()
        folder = Path(found["BV_DATA_DIR"])
        existed = folder.exists()

    assert existed
    assert fsync == "off"
    assert not folder.exists()
    assert not places.socket_folder(folder).exists()


def test_a_given_database_is_not_doubled_by_a_throwaway_one(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://somewhere.example/bv")

    with throwaway(lambda line: None) as found:
        assert set(found) == {"BV_DATA_DIR", "CELERY_BROKER_URL"}


THROWAWAY = """
import sys, time
from orchestrator.embedded.throwaway import throwaway
with throwaway(print) as found:
    print(found["BV_DATA_DIR"], flush=True)
    time.sleep(600)
"""


def test_a_killed_test_run_leaves_no_server_and_no_files():
    command = [sys.executable, "-c", THROWAWAY]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        folder = Path(process.stdout.readline().strip())
        postmaster = postmaster_of(folder)

        process.kill()

        eventually(lambda: not runs(postmaster))
        eventually(lambda: not folder.exists() and not places.socket_folder(folder).exists())
