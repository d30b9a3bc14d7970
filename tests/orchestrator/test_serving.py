"""The commands that serve: each has its port to itself."""

import socket
import subprocess
import sys

import pytest

from tests.roles import CHECKOUT, environment

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", ["web", "live"])
def test_a_port_on_which_another_server_listens_is_refused(role):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])

        done = subprocess.run(
            [sys.executable, "manage.py", role, "--port", port],
            cwd=CHECKOUT, env=environment(), capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.endswith(
        f"CommandError: 127.0.0.1:{port} cannot be listened on, or another program does. Choose another with --port.\n"
    )
