"""Robots behind proxies and with servers whose certificate is their company's own: every kind of call gets through."""

import os

import certifi
import pytest
from bv_robot import client

from tests import robots_at_work
from tests.robot.network import HOST, Proxy, private_authority
from tests.robot.packages import package
from tests.robot.stand_in import StandIn

EVERY_KIND = {"register", "sessions", "sync", "wait", "download", "start", "log", "finish"}
OF_JOBS = {"artefact", "spans", "children"}
PASSWORD = "p%40ss%3Aword"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    names = [name for name in os.environ if name.lower().endswith("_proxy")]
    [monkeypatch.delenv(name) for name in names]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return private_authority(tmp_path_factory.mktemp("authority") / "of")


@pytest.fixture
def server(authority):
    stand_in = StandIn(tls=authority.context)
    stand_in.is_live = True
    yield stand_in
    stand_in.close()


@pytest.fixture
def proxy(server):
    made = Proxy(server.port)
    server.url = f"https://{HOST}:{server.port}"
    yield made
    made.close()


def environ(proxy, authority, password=PASSWORD):
    return {"HTTPS_PROXY": f"http://robot:{password}@{proxy.address}", "BV_ROBOT_CA_FILE": authority.ca_file}


def add_job(server):
    return server.add_job(server.add_package(package("def main():\n    print('x')\n    return 1")))


def test_every_kind_of_call_goes_through_a_proxy_that_wants_a_password(server, proxy, authority, start_robot):
    job = add_job(server)

    robot = start_robot(environ=environ(proxy, authority))

    server.wait_for_end(job)
    server.wait_until(lambda: {request.endpoint for request in server.requests} >= EVERY_KIND)
    assert set(proxy.asked) == {f"CONNECT {HOST}:{server.port} HTTP/1.1"}
    assert proxy.refused == 0
    assert PASSWORD not in robot.messages()


def test_what_a_job_asks_and_leaves_goes_the_same_way(server, proxy, authority, start_robot):
    server.offer("square", server.add_package(package("def main(n): return n * n")))
    source = """
        from bv_robot import job
        def main():
            with job.span("step"):
                job.artefact(b"x", "left.txt")
            return job.start("square", {"n": 2}).status
    """
    parent = server.add_job(server.add_package(package(source)))

    start_robot(environ=environ(proxy, authority))

    assert server.wait_for_end(parent).report["result"] == "pending"
    server.wait_until(lambda: {request.endpoint for request in server.requests} >= OF_JOBS)
    assert {line.rsplit(" ", 1)[0] for line in proxy.asked} == {f"CONNECT {HOST}:{server.port}"}


def test_a_proxy_whose_name_has_no_scheme_is_used(server, proxy, authority, start_robot):
    job = add_job(server)
    told = environ(proxy, authority) | {"HTTPS_PROXY": f"robot:{PASSWORD}@{proxy.address}"}

    start_robot(environ=told)

    server.wait_for_end(job)
    server.wait_until(lambda: server.calls("wait"))
    assert job.status == "completed"


def test_a_proxy_for_plain_http_is_given_its_password_too(start_robot):
    plain = StandIn()
    proxy = Proxy(plain.port)
    plain.url = f"http://{HOST}:{plain.port}"
    job = add_job(plain)

    start_robot(url=plain.url, environ={"HTTP_PROXY": f"http://robot:{PASSWORD}@{proxy.address}"})

    plain.wait_for_end(job)
    assert proxy.asked[0].startswith(f"POST http://{HOST}:{plain.port}/api/v1/runner/register-robot")
    plain.close()


def test_a_proxy_that_wants_another_password_is_named_as_what_is_wrong(server, proxy, authority, start_robot):
    robot = start_robot(environ=environ(proxy, authority, password="wrong"))

    robot.wait_until(lambda: "the proxy wants another name and password" in robot.messages())

    assert proxy.asked == []
    assert "wrong" not in robot.messages()


def test_a_server_named_in_no_proxy_is_spoken_to_directly(server, authority, start_robot):
    job = add_job(server)
    told = {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1", "BV_ROBOT_CA_FILE": authority.ca_file}

    start_robot(environ=told)

    server.wait_for_end(job)
    server.wait_until(lambda: server.calls("wait"))
    assert job.status == "completed"


@pytest.mark.parametrize("usual", [{}, {"SSL_CERT_FILE": certifi.where()}], ids=["of the system", "named"])
def test_libraries_inside_a_job_trust_the_authority_beside_the_usual_ones(
    server, authority, start_robot, monkeypatch, usual
):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    source = """
        import socket, ssl
        def main(port):
            trust = ssl.create_default_context()
            with socket.create_connection(("127.0.0.1", port)) as plain:
                with trust.wrap_socket(plain, server_hostname="127.0.0.1"):
                    return len(trust.get_ca_certs())
    """
    job = server.add_job(server.add_package(package(source)), parameters={"port": server.port})

    start_robot(environ={"BV_ROBOT_CA_FILE": authority.ca_file} | usual)

    assert server.wait_for_end(job).report["result"] > 1


def test_a_server_whose_authority_nobody_named_is_not_trusted_and_the_setting_is_named(server, start_robot):
    robot = start_robot()

    robot.wait_until(lambda: "CERTIFICATE_VERIFY_FAILED" in robot.messages())

    assert "ca_file (BV_ROBOT_CA_FILE)" in robot.messages()
    assert server.requests == []


def test_the_doctor_tries_the_proxy_the_certificate_and_the_long_wait(server, proxy, authority, start_robot, home):
    robot = start_robot(environ=environ(proxy, authority))
    server.wait_until(lambda: server.calls("wait"))
    robot.wait_until(lambda: "live/wait" in (home / "status.json").read_text())

    done = robots_at_work.run_command("doctor", "--home", str(home), environ=environ(proxy, authority))

    assert f"calls go through http://{proxy.address}" in done.stdout
    assert f"its certificate is trusted by {authority.ca_file}" in done.stdout
    assert f"{server.url}/live/wait can be reached" in done.stdout
    assert PASSWORD not in done.stdout


@pytest.mark.parametrize("named", ["socks5://proxy.example:1080", "http://", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_refused_in_one_sentence(home, named):
    told = {"HTTPS_PROXY": named.replace("proxy", "robot:hidden@proxy")}

    refused = robots_at_work.run_command("enroll", "https://x.example", "--key", "k", "--home", str(home), environ=told)

    assert refused.returncode == 1
    assert "HTTPS_PROXY names no HTTP proxy: write it as http://host:port" in refused.stderr
    assert "hidden" not in refused.stderr


@pytest.mark.parametrize(
    ("named", "used"),
    [("proxy.example:3128", "http://proxy.example:3128"), ("http://proxy.example", "http://proxy.example")],
)
def test_a_proxy_may_be_named_with_and_without_its_scheme(monkeypatch, named, used):
    monkeypatch.setenv("HTTPS_PROXY", named)

    assert client.proxies() == {"https": used}
