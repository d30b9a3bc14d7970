"""Ways to tell that a process does its work."""

from __future__ import annotations

import http.client
import socket

TIMEOUT_SECONDS = 5.0


def answers_http(port: int, path: str) -> bool:
    """Say whether a web server on this machine answers without an error of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def accepts_connections(port: int) -> bool:
    """Say whether something on this machine listens on a port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS):
            return True
    except OSError:
        return False


def is_free(host: str, port: int) -> bool:
    """Say whether a port can be listened on."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
