"""What the doctor finds, and what it advises."""

import importlib.metadata
import ssl
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
from bv_robot import checks_of_host, checks_of_server, config, doctor, environments
from bv_robot.client import Client
from bv_robot.config import Config, Home, Identity
from bv_robot.findings import Finding
from bv_robot.spool import HomeLock, read_note, write_note

from tests import robots_at_work

URL = "http://orchestrator.example"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


class Orchestrator:
    """Answers /health/live like an orchestrator and refuses a wait without a ticket, as told by its attributes."""

    def __init__(self):
        self.answers = {"/api/v1/health/live": (200, b'{"status": "ok"}'), "/live/wait": (401, b'{"code": "no"}')}
        self.clock_offset = 0.0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=[0.02], daemon=True).start()

    def _handler(orchestrator):  # noqa: N805 - the handler has a self of its own.
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                status, body = orchestrator.answers.get(self.path, (404, b"{}"))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def date_time_string(self, timestamp=None):
                return formatdate(time.time() + orchestrator.clock_offset, usegmt=True)

            def log_message(self, *args):
                pass

        return Handler

    def close(self):
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def orchestrator():
    there = Orchestrator()
    yield there
    there.close()


@pytest.fixture
def place(home):
    made = Home(home)
    made.make()
    return made


def enrolled(place, url=URL):
    identity = Identity(
        url=url, robot_id="r", machine_id="m", name="invoices-1", api_token="bvr_hidden", machine_signature="s"
    )
    config.write_identity(place, identity)


def by_name(findings):
    return {finding.name: finding for finding in findings}


def test_a_robot_in_good_health_needs_no_attention(orchestrator, place):
    enrolled(place, orchestrator.url)

    done = robots_at_work.run_command("doctor", "--home", str(place.root))

    assert "Nothing needs attention." in done.stdout
    assert done.returncode == 0
    assert f"{orchestrator.url} answers" in done.stdout


def test_a_machine_that_was_never_enrolled_is_told_what_to_do_and_left_as_it_was(home):
    done = robots_at_work.run_command("doctor", "--home", str(home))

    assert done.returncode == 1
    assert "-> bv-robot enroll URL --key KEY" in done.stdout
    assert "2 of 8 need attention." in done.stdout
    assert not home.exists()


def test_no_secret_is_shown(place, orchestrator):
    enrolled(place, orchestrator.url)
    environ = {"ORCHESTRATOR_API_KEY": "bvm_hidden", "HTTP_PROXY": "http://someone:hidden@127.0.0.1:1"}

    done = robots_at_work.run_command("doctor", "--home", str(place.root), environ=environ)

    assert "http://127.0.0.1:1" in done.stdout
    assert "hidden" not in done.stdout + done.stderr


def test_settings_that_cannot_be_used_are_found_and_the_machine_is_looked_at_all_the_same(place):
    place.config_file.write_text("ca_file: /nowhere.pem")

    found = by_name(doctor.examine(place, {}))

    assert found["settings"].state == "PROBLEM"
    assert "/nowhere.pem holds no certificates" in found["settings"].found
    assert "orchestrator" not in found
    assert "disk" in found


def test_the_table_has_a_line_for_what_was_found_and_one_for_what_to_do():
    told = doctor.table([Finding("disk", "enough"), Finding.warning("clock", "wrong", "Set it")])

    assert told.splitlines() == [
        "ok      disk          enough",
        "warning clock         wrong",
        "                      -> Set it",
        "",
        "1 of 2 need attention.",
    ]


# The server


def test_an_orchestrator_that_answers_is_found_with_its_clock(orchestrator):
    found = by_name(checks_of_server.check_orchestrator(Client(orchestrator.url), ""))

    assert {name: finding.state for name, finding in found.items()} == dict.fromkeys(
        ["orchestrator", "TLS trust", "clock"], "ok"
    )


def test_a_line_that_others_can_read_is_a_warning_but_not_within_the_machine():
    assert checks_of_server.check_trust("http://127.0.0.1:8000", "").state == "ok"
    assert checks_of_server.check_trust(URL, "").state == "warning"
    assert "https://" in checks_of_server.check_trust(URL, "").advice


def test_an_orchestrator_that_is_away_is_a_problem(orchestrator):
    orchestrator.close()

    [found] = checks_of_server.check_orchestrator(Client(orchestrator.url), "")

    assert (found.name, found.state) == ("orchestrator", "PROBLEM")
    assert f"{orchestrator.url} cannot be reached" in found.found
    assert "firewall" in found.advice


@pytest.mark.parametrize("answer", [(200, b"<html>Sign in</html>"), (404, b"<html>"), (302, b""), (502, b"")])
def test_what_is_no_orchestrator_is_a_problem(orchestrator, answer):
    orchestrator.answers["/api/v1/health/live"] = answer

    [found] = checks_of_server.check_orchestrator(Client(orchestrator.url), "")

    assert found.state == "PROBLEM"
    assert orchestrator.url in found.found
    assert "the address is the orchestrator's own" in found.advice


def test_a_proxy_that_does_not_answer_is_named_as_where_to_look(orchestrator, monkeypatch):
    orchestrator.close()
    monkeypatch.setenv("HTTP_PROXY", orchestrator.url)

    [found] = checks_of_server.check_orchestrator(Client(URL), "")

    assert "NO_PROXY" in found.advice


@pytest.fixture
def secure(tmp_path, orchestrator):
    """The orchestrator behind TLS, with a certificate nobody knows."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    orchestrator._http.socket = context.wrap_socket(orchestrator._http.socket, server_side=True)
    orchestrator.url = orchestrator.url.replace("http://", "https://")
    orchestrator.certificate = str(certificate)
    return orchestrator


def test_a_certificate_of_ones_own_is_a_problem_until_it_is_named(secure):
    [unknown] = checks_of_server.check_orchestrator(Client(secure.url), "")
    named = Client(secure.url, ca_file=secure.certificate)
    found = by_name(checks_of_server.check_orchestrator(named, secure.certificate))

    assert (unknown.name, unknown.state) == ("TLS trust", "PROBLEM")
    assert "ca_file" in unknown.advice
    assert found["TLS trust"] == Finding("TLS trust", f"its certificate is trusted by {secure.certificate}")


@pytest.mark.parametrize(
    ("offset", "told"), [(3600.0, "behind the server's"), (-3600.0, "ahead of the server's")], ids=["behind", "ahead"]
)
def test_a_clock_that_is_an_hour_off_is_a_warning(orchestrator, offset, told):
    orchestrator.clock_offset = offset

    found = by_name(checks_of_server.check_orchestrator(Client(orchestrator.url), ""))

    assert found["clock"].state == "warning"
    assert told in found["clock"].found
    assert "NTP" in found["clock"].advice


@pytest.mark.parametrize(("skew", "state"), [(30, "ok"), (-30, "ok"), (31, "warning"), (-31, "warning")])
def test_a_clock_may_be_half_a_minute_off(skew, state):
    assert checks_of_server.check_clock(formatdate(1_000_000, usegmt=True), 1_000_000 + skew).state == state


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_a_server_without_a_clock_is_no_fault_of_this_machine(date):
    assert checks_of_server.check_clock(date, 0.0).state == "ok"


def test_a_long_wait_that_refuses_is_reached(orchestrator):
    found = checks_of_server.check_wait(Client(orchestrator.url), f"{orchestrator.url}/live/wait")

    assert found == Finding("long wait", f"{orchestrator.url}/live/wait can be reached")


def test_a_long_wait_that_is_not_there_is_a_warning_for_jobs_come_all_the_same(orchestrator):
    http = Client(orchestrator.url)

    nothing = checks_of_server.check_wait(http, f"{orchestrator.url}/elsewhere")
    orchestrator.close()
    away = checks_of_server.check_wait(http, f"{orchestrator.url}/live/wait")

    assert (nothing.state, away.state) == ("warning", "warning")
    assert "Jobs still come" in away.advice


def test_a_robot_that_ran_remembers_where_it_waits(server, start_robot, home):
    server.is_live = True
    robot = start_robot()

    robot.wait_until(lambda: read_note(home / "status.json").get("wait_url"))

    assert read_note(home / "status.json")["wait_url"].startswith("http://")


# Proxies


def test_a_proxy_in_use_is_shown(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://someone:secret@proxy.example:3128")

    assert checks_of_server.check_proxy(URL).found == "calls go through http://proxy.example:3128"


def test_a_proxy_that_is_set_but_not_for_this_address_is_told(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "orchestrator.example")

    assert checks_of_server.check_proxy(URL).found == "none for this address (NO_PROXY)"


def test_a_proxy_without_a_scheme_is_an_http_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "proxy.example:3128")

    assert checks_of_server.check_proxy(URL).found == "calls go through http://proxy.example:3128"


def test_a_proxy_the_robot_cannot_use_is_a_problem_and_no_call_is_tried(monkeypatch, place):
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example:1080")

    found = by_name(checks_of_server.check(place, Config(url=URL)))

    assert found["proxy"].state == "PROBLEM"
    assert "http://host:port" in found["proxy"].found
    assert "orchestrator" not in found


# The machine


def test_a_home_others_can_look_into_is_a_warning_with_the_command_to_mend_it(place):
    place.root.chmod(0o755)

    found = checks_of_host.check_home(place)

    assert found.state == "warning"
    assert found.advice == f"chmod go= {place.root}"


def test_a_home_that_cannot_be_written_is_a_problem(tmp_path):
    (tmp_path / "file").touch()

    found = checks_of_host.check_home(Home(tmp_path / "file" / "home"))

    assert found.state == "PROBLEM"
    assert "--home" in found.advice


@pytest.mark.parametrize(("free", "state"), [(100, "PROBLEM"), (300, "warning"), (500, "ok")])
def test_free_disk_is_compared_with_what_is_to_be_left_free(place, monkeypatch, free, state):
    usage = psutil.disk_usage("/")._replace(free=free)
    monkeypatch.setattr(psutil, "disk_usage", lambda path: usage)

    assert checks_of_host.check_disk(place, 200).state == state


def test_the_pythons_that_packages_may_ask_for_are_listed():
    found = checks_of_host.check_uv(environments.uv_binary())

    assert found.state == "ok"
    assert found.found.startswith(f"uv {importlib.metadata.version('uv')} (")
    assert ".".join(map(str, sys.version_info[:3])) in found.found


def test_without_uv_the_robot_works_by_pip_which_is_a_warning():
    found = checks_of_host.check_uv("/nowhere/uv")

    assert found.state == "warning"
    assert "pip builds environments" in found.advice


def test_a_damaged_identity_is_a_problem(place):
    place.identity_file.write_text("{")

    assert checks_of_host.check_credential(place, {}).state == "PROBLEM"


def test_a_key_without_a_token_is_enough():
    found = checks_of_host.check_credential(Home.at(None, {"BV_ROBOT_HOME": "/nowhere"}), {"ORCHESTRATOR_API_KEY": "k"})

    assert found.state == "ok"
    assert "enrols by itself" in found.found


def test_a_listener_that_does_not_run_is_no_fault(place):
    assert checks_of_host.check_listener(place).found == "does not run; start it by: bv-robot run"
    assert not place.lock_file.exists()


@pytest.mark.parametrize(("trouble", "state"), [("", "ok"), ("the server answered 502", "warning")])
def test_a_listener_that_runs_is_shown_with_its_complaint(place, trouble, state):
    lock = HomeLock(place.lock_file)
    lock.take()
    write_note(place.status_file, {"pid": 4711, "problem": "", "trouble": trouble})

    found = checks_of_host.check_listener(place)

    assert found.state == state
    assert "process 4711" in found.found
    assert trouble in found.found


def test_a_listener_that_is_paused_is_shown_with_the_way_to_resume_it(place):
    lock = HomeLock(place.lock_file)
    lock.take()
    write_note(place.status_file, {"pid": 4711, "problem": "paused", "trouble": ""})

    assert checks_of_host.check_listener(place).advice == "Take work again by: bv-robot resume"
