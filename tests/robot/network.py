"""What lies between a robot and its server in companies: a proxy that wants a password, certificates of one's own."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

HOST = "orchestrator.example"
"""A name that only the proxy can resolve."""
LONGEST_HEAD = 64 * 1024


@dataclass(frozen=True)
class Authority:
    """A private authority and one certificate of it, for ``HOST`` and 127.0.0.1."""

    ca_file: str
    context: ssl.SSLContext


def private_authority(directory: Path) -> Authority:
    """Make an authority that no machine knows, and a server's certificate signed by it."""
    directory.mkdir()
    _openssl(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", "/CN=Private authority", "-keyout", "ca.key", "-out", "ca.pem")  # fmt: skip
    _openssl(directory, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-subj", f"/CN={HOST}", "-keyout", "server.key", "-out", "server.csr")  # fmt: skip
    (directory / "names").write_text(f"subjectAltName=DNS:{HOST},IP:127.0.0.1")
    _openssl(directory, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
             "-days", "2", "-extfile", "names", "-out", "server.pem")  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem", directory / "server.key")
    return Authority(str(directory / "ca.pem"), context)


def _openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


class Proxy:
    """An HTTP proxy with a user and a password, in front of one server whatever name it is asked for.

    Attributes:
        asked: The first line of each request that was let through.
        refused: How many were not.
    """

    def __init__(self, server_port: int, *, user: str = "robot", password: str = "p@ss:word") -> None:
        self._server_port = server_port
        self._wanted = base64.b64encode(f"{user}:{password}".encode())
        self.asked: list[str] = []
        self.refused = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            head = _head(client)
            if b"\r\n\r\n" not in head:  # It went away again before it had asked for anything.
                return
            if b"proxy-authorization: basic " + self._wanted.lower() not in head.lower():
                self.refused += 1
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            self.asked.append(head.split(b"\r\n", 1)[0].decode())
            with socket.create_connection(("127.0.0.1", self._server_port)) as server:
                if head.startswith(b"CONNECT "):
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    server.sendall(head)
                threading.Thread(target=_relay, args=[server, client], daemon=True).start()
                _relay(client, server)


def _head(client: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < LONGEST_HEAD and (data := client.recv(4096)):
        head += data
    return head


def _relay(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
