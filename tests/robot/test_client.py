"""How the robot speaks HTTP: pauses, proxies, and a name for each way to fail."""

import contextlib
import random
import socket
import threading
import time

import httpx
import pytest
from bv_robot import client
from bv_robot.client import Backoff, Client


def answer(status, **given):
    return httpx.Response(status, **given)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, client.Refusal), (401, client.NotSignedIn), (403, client.Forbidden), (404, client.Unknown),
        (409, client.Conflict), (416, client.LogGap), (429, client.ServerTrouble), (500, client.ServerTrouble),
        (302, client.ServerTrouble),
    ],
)  # fmt: skip
def test_each_refusal_has_its_name(status, kind):
    with pytest.raises(client.Trouble) as raised:
        client.good(answer(status, json={"code": "because", "detail": "Said so."}))

    assert type(raised.value) is kind


def test_a_refusal_speaks_the_servers_words_also_when_they_are_no_json():
    with pytest.raises(client.Refusal, match=r"Said so \(400 because\)"):
        client.good(answer(400, json={"code": "because", "detail": "Said so."}))
    with pytest.raises(client.Refusal, match="plain words"):
        client.good(answer(400, text="plain words"))


@pytest.mark.parametrize("text", ["<html>Sign in to the hotel</html>", "[]", "", '{"welcome": true}'])
def test_an_answer_that_is_not_what_was_asked_for_is_the_servers_trouble(text):
    with pytest.raises(client.ServerTrouble, match="is this an orchestrator, and is the address right"):
        client.body_of(answer(200, text=text), "session")


def test_a_page_that_is_no_orchestrators_is_not_quoted():
    with pytest.raises(client.Unknown, match="is this an orchestrator, and is the address right"):
        client.good(answer(404, html="<html>Nothing here</html>"))


def test_pauses_are_fully_random_below_a_ceiling_that_doubles(monkeypatch):
    ceilings = []
    monkeypatch.setattr(random, "uniform", lambda low, high: ceilings.append((low, high)) or high)
    backoff = Backoff()

    pauses = [backoff.pause() for _ in range(8)]

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert {low for low, _ in ceilings} == {0}
    backoff.reset()
    assert backoff.pause() == 1


def test_a_pause_is_never_shorter_than_the_server_asked_for():
    trouble = client.ServerTrouble("busy", status=503, retry_after=30)

    assert Backoff().pause(trouble) == 30
    assert Backoff().pause(client.ServerTrouble("busy", status=503, retry_after=10**9)) == 60


@pytest.mark.parametrize(("header", "seconds"), [("3", 3.0), ("-1", 0.0), ("Wed, 21 Oct", None)])
def test_a_retry_after_is_read_in_seconds(header, seconds):
    with pytest.raises(client.ServerTrouble) as raised:
        client.good(answer(503, headers={"Retry-After": header}))

    assert raised.value.retry_after == seconds


def test_a_refused_connection_says_that_the_server_is_away_and_silence_does_not():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        asked = Client(f"http://127.0.0.1:{port}")
        with pytest.raises(client.Unreachable) as silence:
            asked.call("GET", "/x", timeout=0.2)
    with pytest.raises(client.Unreachable) as refused:
        asked.call("GET", "/x")
    asked.close()

    assert silence.value.server_is_away is False
    assert refused.value.server_is_away is True
    assert str(silence.value).startswith(f"http://127.0.0.1:{port} cannot be reached: timed out")
    assert "Connection refused" in str(refused.value)


def test_an_answer_that_trickles_is_given_up(monkeypatch):
    monkeypatch.setattr(client, "CALL_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=trickle, args=[server], daemon=True).start()
        asked = Client(f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(client.Unreachable, match="takes too long"):
            asked.call("GET", "/x")
        asked.close()


def trickle(server):
    connection, _ = server.accept()
    with connection, contextlib.suppress(OSError):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        for _ in range(200):
            connection.sendall(b" ")
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("no_proxy", "patterns"),
    [
        ("", []),
        ("*", ["all://"]),
        ("localhost, 10.0.0.1,::1", ["all://localhost", "all://10.0.0.1", "all://[::1]"]),
        ("example.com,.inner.net", ["all://*example.com", "all://*.inner.net"]),
    ],
)
def test_hosts_that_need_no_proxy_are_understood(no_proxy, patterns):
    assert client.direct_hosts(no_proxy) == patterns


def test_a_proxy_of_the_environment_is_used_but_for_direct_hosts(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://user:secret@127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        heard = []
        threading.Thread(target=hear, args=[proxy, heard]).start()
        asked = Client("http://orchestrator.example")
        with pytest.raises(client.Unreachable):
            asked.call("GET", "/x")
        asked.close()

    direct = Client("http://127.0.0.1:1")
    with pytest.raises(client.Unreachable) as refused:
        direct.call("GET", "/x")
    direct.close()

    assert heard[0].startswith(b"GET http://orchestrator.example/api/v1/x HTTP/1.1")
    assert b"Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=" in heard[0]
    assert refused.value.server_is_away is True


def test_a_proxy_that_is_away_or_fails_says_nothing_about_the_orchestrator(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        threading.Thread(target=fail, args=[proxy]).start()
        asked = Client("http://orchestrator.example")
        with pytest.raises(client.ServerTrouble) as failing:
            asked.call("GET", "/x")
    with pytest.raises(client.Unreachable, match="Connection refused") as refused:
        asked.call("GET", "/x")
    asked.close()

    assert failing.value.server_is_away is False
    assert refused.value.server_is_away is False


def fail(proxy):
    connection, _ = proxy.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def hear(proxy, heard):
    connection, _ = proxy.accept()
    heard.append(connection.recv(4096))
    connection.close()


def test_connections_are_kept_alive_by_probes():
    options = client.keepalive()

    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options
    assert (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15) in options
