"""``manage.py demo`` as a stranger runs it: cold, and then again on the same data directory."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
import psutil
import pytest

from orchestrator.embedded import places
from tests.orchestrator.processes import eventually, runs

CHECKOUT = Path(__file__).resolve().parents[2]
NOT_INHERITED = ("DATABASE_URL", "CELERY_BROKER_URL", "BV_SUPERVISED", "BV_ROLE", "SECRET_KEY", "LIVE_URL")
#: A job that may take one second and wants a second and a half.
SHORTEN = "from apps.processes.models import Process; Process.objects.update(timeout=1)"


@pytest.fixture(scope="module")
def data_dir():
    """A data directory that root's other account may pass through, which pytest's own folders do not allow."""
    folder = Path(tempfile.mkdtemp(prefix="bv-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(places.socket_folder(folder), ignore_errors=True)
    shutil.rmtree(folder)


def manage(data_dir, *arguments):
    inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    environment = inherited | {"BV_DATA_DIR": str(data_dir), "BV_NO_BOOTSTRAP": "1"}
    command = [sys.executable, "manage.py", *arguments]
    with (data_dir / "said").open("w") as file:
        return subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=file, stderr=subprocess.STDOUT)


def demo(data_dir, *arguments):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = min(probe.getsockname()[1], 65_000)
    return manage(data_dir, "demo", "--data", str(data_dir), "--port", str(port), *arguments)


def said(data_dir):
    return (data_dir / "said").read_text()


def wait_for(words, data_dir, process):
    eventually(lambda: words in said(data_dir) or process.poll() is not None)
    assert words in said(data_dir)


def test_a_package_runs_on_a_robot_and_everything_ends(data_dir):
    process = demo(data_dir, "--exit")

    assert process.wait(timeout=300) == 0, said(data_dir)
    told = said(data_dir)
    assert "Uploaded the package hello 1.0.0\n" in told
    assert "INFO  Hello, operator! (3 of 3)\n" in told
    assert '"count": 3' in told
    assert re.search(r"  Sign in as:  admin, password \S{12,}\n", told)
    assert told.endswith("Stopping …\nStopped.\n")
    assert not places.socket_folder(data_dir).exists()


def test_a_second_run_stays_up_until_it_is_stopped_and_tells_of_a_job_that_failed(data_dir):
    assert manage(data_dir, "shell", "-c", SHORTEN).wait(timeout=120) == 0

    process = demo(data_dir)
    wait_for("Press it to stop.", data_dir, process)
    told = said(data_dir)
    assert "The package is here already: Package hello@1.0.0 already exists\n" in told
    assert "The job has failed. Its result:" in told
    assert signs_in(told)

    family = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 1
    assert said(data_dir).endswith("Stopped.\nCommandError: The job ended as failed.\n")
    assert not any(map(runs, family))


def test_a_run_that_is_stopped_in_the_middle_leaves_nothing(data_dir):
    process = demo(data_dir, "--exit")
    wait_for("Starting web", data_dir, process)
    family = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]

    process.send_signal(signal.SIGINT)

    assert process.wait(timeout=60) == 1
    assert said(data_dir).endswith("Stopped.\nCommandError: The job had not ended.\n")
    assert not any(map(runs, family))


def signs_in(told):
    """Sign in to the admin as the person at the terminal is told to, and look at the job."""
    address, admin, password = (
        re.search(rf"  {words} +(\S+)\n", told)[1]
        for words in ("Look at it:", "Admin:", "Sign in as:  admin, password")
    )
    with httpx.Client(follow_redirects=True, timeout=30) as browser:
        page = browser.get(admin)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)[1]
        form = {"username": "admin", "password": password, "csrfmiddlewaretoken": token}
        browser.post(page.url, data=form, headers={"Referer": str(page.url)})
        return browser.get(address).status_code == 200
