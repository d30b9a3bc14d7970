"""What only a real connection can do."""

import socket

import pytest

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.core.api.urls")]


@pytest.fixture
def talk(live_server):
    """Send raw bytes to a real server, close our half, and return all that it says."""

    def send(head: str, body: bytes = b"") -> str:
        address = live_server.thread.host, live_server.thread.port
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n" + body)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    return send


HEAD = "POST /api/test/{path} HTTP/1.1\nHost: localhost\nX-Test-Caller: ann\nConnection: close\n"


def test_a_body_that_ends_early_is_refused(talk):
    head = HEAD.format(path="echo") + "Content-Type: application/json\nContent-Length: 500\n"

    answer = talk(head, b'{"a": 1}')

    assert answer.startswith("HTTP/1.1 400")
    assert "body_cut_off" in answer


def test_half_an_upload_is_not_taken_for_a_whole_one(talk):
    head = HEAD.format(path="upload") + "Content-Type: multipart/form-data; boundary=b\nContent-Length: 4000\n"
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\nPK'

    answer = talk(head, body)

    assert answer.startswith("HTTP/1.1 400")
    assert "body_cut_off" in answer


def test_a_body_in_chunks_is_refused(talk):
    head = HEAD.format(path="echo") + "Content-Type: application/json\nTransfer-Encoding: chunked\n"

    answer = talk(head, b'8\r\n{"a": 1}\r\n0\r\n\r\n')

    assert answer.startswith("HTTP/1.1 411")
