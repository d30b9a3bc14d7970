"""``manage.py up`` as a person uses it: the whole system in processes of its own."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from orchestrator.embedded import places
from tests.orchestrator.processes import eventually, runs
from tests.roles import free_port_with_next

CHECKOUT = Path(__file__).resolve().parents[2]
NOT_INHERITED = ("DATABASE_URL", "CELERY_BROKER_URL", "BV_SUPERVISED", "BV_ROLE", "SECRET_KEY", "LIVE_URL")


@pytest.fixture
def data_dir():
    """A data directory that root's other account may pass through, which pytest's own folders do not allow."""
    folder = Path(tempfile.mkdtemp(prefix="bv-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(places.socket_folder(folder), ignore_errors=True)
    shutil.rmtree(folder)


@pytest.fixture
def port():
    """A port that is free together with the next one."""
    return free_port_with_next()


class Up:
    """One ``manage.py up`` and what it says."""

    def __init__(self, data_dir, port):
        self.output = data_dir / "said"
        self.port = port
        self.process = manage("up", "--data", str(data_dir), "--port", str(port), data_dir=data_dir, output=self.output)

    def said(self):
        return self.output.read_text()

    def wait_for(self, words):
        eventually(lambda: words in self.said() or self.process.poll() is not None)
        assert words in self.said()

    def family(self):
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


def manage(*arguments, data_dir, output):
    environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    environment |= {"BV_DATA_DIR": str(data_dir), "BV_NO_BOOTSTRAP": "1"}
    command = [sys.executable, "manage.py", *arguments]
    with output.open("w") as file:
        return subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=file, stderr=subprocess.STDOUT)


def status_of(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def role(up, name):
    """Return the process that a role's command runs in."""
    (found,) = [process for process in up.family() if name in process.cmdline() and process.ppid() == up.process.pid]
    return found


def listening(up):
    """Return the addresses on which anything of it listens."""
    family = [psutil.Process(up.process.pid), *up.family()]
    sockets = [found for process in family for found in process.net_connections("inet")]
    return {tuple(found.laddr) for found in sockets if found.status == psutil.CONN_LISTEN}


def banner_of(port, path):
    """Return what a server calls itself."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().headers.get("Server")
    finally:
        connection.close()


@pytest.fixture
def up(data_dir, port):
    up = Up(data_dir, port)
    yield up
    if up.process.poll() is None:
        up.end(signal.SIGINT)


def test_f13_the_system_comes_up_listens_here_heals_serves_commands_and_goes_without_a_trace(up, data_dir, port):
    up.wait_for("Everything is running")
    assert status_of(port, "/health/live") == 200
    assert listening(up) == {("127.0.0.1", port), ("127.0.0.1", port + 1)}
    assert [banner_of(number, "/health/live") for number in (port, port + 1)] == ["granian", "granian"]  # no version

    second = manage("up", data_dir=data_dir, output=data_dir / "second")
    assert second.wait(timeout=60) == 1
    assert f"in use by another `up` (process {up.process.pid}, http://127.0.0.1:{port}" in second_said(data_dir)

    beside = manage("migrate", "--check", data_dir=data_dir, output=data_dir / "second")
    assert beside.wait(timeout=60) == 0

    role(up, "web").kill()
    up.wait_for("web was ended by SIGKILL; starting it again in 0.5 s.")
    eventually(lambda: status_of(port, "/health/live") == 200)

    family = [process.pid for process in up.family()]
    assert up.end(signal.SIGINT) == 0
    assert up.said().endswith("Stopping …\nStopped.\n")
    assert not any(map(runs, family))
    assert not places.socket_folder(data_dir).exists()


def second_said(data_dir):
    return (data_dir / "second").read_text()


def test_a_killed_up_leaves_no_process_behind(up):
    up.wait_for("Everything is running")
    family = [process.pid for process in up.family()]

    up.end(signal.SIGKILL)

    eventually(lambda: not any(map(runs, family)))


def test_an_up_that_is_asked_to_end_while_it_starts_ends(up):
    up.wait_for("Running migrate")
    family = [process.pid for process in up.family()]

    code = up.end(signal.SIGTERM)

    assert code == 0
    assert up.said().endswith("Stopped.\n")
    assert not any(map(runs, family))


def test_a_port_that_is_taken_is_said(data_dir, port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()

        up = Up(data_dir, port)

        assert up.process.wait(timeout=60) == 1
        assert f"Port {port} is taken by another program. Choose another with --port." in up.said()
