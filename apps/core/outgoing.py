"""Calls that we make to addresses that people gave us: never to where only we can reach, nor for longer than said.

The name in an address is resolved once, every address it has is judged, and the connection goes to one that was. What
lies inside is called where the installation names its network in ``OUTGOING_ALLOWED``, then also without TLS and on
any port.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as ResolvingTimeout
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from apps.core.edge.addresses import parse_networks
from apps.core.errors import Unavailable

LARGEST_ANSWER: Final = 64 * 1024
LONGEST_ADDRESS: Final = 2_000
CONNECT_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 15.0
_PORTS: Final = {"https": 443, "http": 80}
#: Where anybody may be called; another port of a public address is not the web.
_USUAL_PORTS: Final = frozenset({443, 8443})
#: Of all that is no public address; what wraps an address of version 4 is judged as a whole, and refused.
_INSIDE: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
    )
)  # fmt: skip
_PUBLIC_SIX: Final = ip_network("2000::/3")
_RESOLVING: Final = ThreadPoolExecutor(max_workers=8, thread_name_prefix="resolve")


class AddressRefused(Unavailable):
    """An address that is not called from here, whatever is there."""

    code = "address_refused"


class Unreachable(Unavailable):
    """What was called did not answer, or not as it may."""

    code = "unreachable"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: never a redirect that was followed, never more than was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def refuse_address(url: str) -> None:
    """Raise ``AddressRefused`` for what can be seen to be wrong before anything is resolved, to say so at once."""
    parts, port = _parts(url)
    try:
        found = [ip_address(socket.inet_ntoa(socket.inet_aton(parts.hostname or "")))]
    except OSError:
        try:
            found = [ip_address((parts.hostname or "").partition("%")[0])]
        except ValueError:
            if (parts.hostname or "").rstrip(".").endswith("localhost") and not _is_allowed(ip_address("127.0.0.1")):
                raise AddressRefused(f"{_place(parts)} is not called from here: it is this machine.") from None
            found = []
    _refuse(parts, port, found)


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    most_bytes: int = LARGEST_ANSWER,
    seconds: float = TOTAL_SECONDS,
) -> Answer:
    """Call an address and return its answer, of whatever status. Raises ``AddressRefused``, ``Unreachable``.

    Neither message says more than host and port: paths and headers may hold what is secret.
    """
    refuse_address(url)
    parts, port = _parts(url)
    began = time.monotonic()
    addresses = _resolved(parts, port, seconds=min(CONNECT_SECONDS, seconds))
    _refuse(parts, port, addresses)
    target = parts.path or "/"
    call = _Call(parts, port, str(addresses[0]))
    watch = threading.Timer(max(0.1, seconds - (time.monotonic() - began)), call.give_up)
    watch.daemon = True
    watch.start()
    try:
        sent = {"User-Agent": "bv-orchestrator", "Accept": "application/json", "Connection": "close"}
        call.request(method, f"{target}?{parts.query}" if parts.query else target, body, sent | dict(headers or {}))
        with call.getresponse() as response:
            answer = _read(response, parts, most_bytes)
        if call.is_given_up:  # What has no length seems whole wherever it ends.
            raise TimeoutError
        return answer
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = f"did not answer within {seconds:g} seconds" if call.is_given_up else _why(error)
        raise Unreachable(f"{_place(parts)} {why}.", retry_after=30) from None
    finally:
        watch.cancel()
        call.end()


class _Call(http.client.HTTPConnection):
    """A connection to one address, which was judged, whose certificate is that of the name."""

    def __init__(self, parts: SplitResult, port: int, address: str) -> None:
        super().__init__(parts.hostname or "", port, timeout=CONNECT_SECONDS)
        self.default_port = _PORTS[parts.scheme]
        self._address, self._is_secure = address, parts.scheme == "https"
        self.is_given_up = False
        #: The parent forgets its own once an answer has begun, and reads on.
        self._held: socket.socket | None = None

    def connect(self) -> None:
        self._held = self.sock = socket.create_connection((self._address, self.port), CONNECT_SECONDS)
        if self._is_secure:
            self._held = self.sock = _tls().wrap_socket(self.sock, server_hostname=self.host)
        self.sock.settimeout(TOTAL_SECONDS)
        if self.is_given_up:
            raise TimeoutError

    def end(self) -> None:
        """Close what there is."""
        self.close()
        if self._held is not None:
            self._held.close()

    def give_up(self) -> None:
        """End it, wherever it is: drop by drop an answer could take for ever."""
        self.is_given_up = True
        try:
            if self._held is not None:
                self._held.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.OUTGOING_CA_FILE or None)


def _parts(url: str) -> tuple[SplitResult, int]:
    """Return the parts of an address and its port. Raises ``AddressRefused``."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
        host = (parts.hostname or "").encode("idna" if parts.hostname and ":" not in parts.hostname else "ascii")
    except (ValueError, UnicodeError):
        raise AddressRefused("This is no address of the web.") from None
    is_plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    if parts.scheme not in _PORTS or not host or not is_plain or len(url) > LONGEST_ADDRESS:
        raise AddressRefused("An address begins with https:// and a host, in plain ASCII.")
    if "@" in parts.netloc or parts.fragment:
        raise AddressRefused("An address has neither a user name nor a fragment.")
    return parts, port


def _resolved(parts: SplitResult, port: int, *, seconds: float) -> list[IPv4Address | IPv6Address]:
    asked = _RESOLVING.submit(socket.getaddrinfo, parts.hostname, port, type=socket.SOCK_STREAM)
    try:
        found = {str(one[4][0]) for one in asked.result(timeout=seconds)}
    except (OSError, UnicodeError, ResolvingTimeout):
        raise Unreachable(f"{_place(parts)}: this name has no address.", retry_after=30) from None
    return sorted((ip_address(text.partition("%")[0]) for text in found), key=lambda one: (one.version, int(one)))


def _refuse(parts: SplitResult, port: int, addresses: list[IPv4Address | IPv6Address]) -> None:
    """Raise ``AddressRefused`` unless every address may be called in this way."""
    if addresses and all(map(_is_allowed, addresses)):
        return
    if not all(_is_allowed(one) or is_public(one) for one in addresses):
        raise AddressRefused(
            f"{_place(parts)} is not called from here: it lies inside. The installation can allow its network in "
            "OUTGOING_ALLOWED."
        )
    if addresses or not settings.OUTGOING_ALLOWED:  # A name that is not resolved yet may lie in an allowed network.
        if parts.scheme != "https":
            raise AddressRefused(f"{_place(parts)} is called by https:// alone.")
        if port not in _USUAL_PORTS:
            raise AddressRefused(f"{_place(parts)} is called on the ports 443 and 8443 alone.")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Say whether everybody could call an address, so that calling it from here gives nothing away."""
    if any(address in network for network in _INSIDE if network.version == address.version):
        return False
    return address.is_global and (isinstance(address, IPv4Address) or address in _PUBLIC_SIX)


def _is_allowed(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in parse_networks(tuple(settings.OUTGOING_ALLOWED)))


def _read(answer: http.client.HTTPResponse, parts: SplitResult, most_bytes: int) -> Answer:
    body = answer.read(most_bytes + 1)
    if len(body) > most_bytes:
        raise Unreachable(f"{_place(parts)} answered with more than {most_bytes} bytes.", retry_after=30)
    wanted = answer.length
    if wanted:
        raise Unreachable(f"{_place(parts)} broke off its answer.", retry_after=30)
    return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)


def _place(parts: SplitResult) -> str:
    """Return as much of an address as may be said to everybody."""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}"


def _why(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"has a certificate that is not trusted here ({error.verify_message})"
        case ssl.SSLError():
            return "does not speak TLS as it should"
        case ConnectionRefusedError():
            return "refused the connection"
        case TimeoutError():
            return f"could not be connected to within {CONNECT_SECONDS:g} seconds"
        case http.client.HTTPException() | ValueError():
            return "answered with something that is no HTTP"
    return "broke off the connection"
