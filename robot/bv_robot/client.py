"""How the robot speaks HTTP: time-outs, keepalive, proxies, back-off, and a named error for each way to fail."""

from __future__ import annotations

import functools
import os
import random
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from typing import Any

import httpx

from bv_robot import __version__, platforms

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
CALL_SECONDS = 60.0
"""The longest that the body of an answer may take, however steadily it trickles; a file may take longer."""
BLOCK = 64 * 1024
NO_ORCHESTRATOR = "is this an orchestrator, and is the address right?"
AGENT = f"bv-robot/{__version__}"


class Trouble(Exception):
    """A call did not bring what was asked for."""

    server_is_away = False
    """Whether the far side itself showed that it is down, which silence does not."""
    retry_after: float | None = None


class Unreachable(Trouble):
    """No answer: nobody listens, or the connection broke, or it took too long. The call may have been carried out."""

    def __init__(self, message: str, *, server_is_away: bool = False) -> None:
        super().__init__(message)
        self.server_is_away = server_is_away


class ServerTrouble(Trouble):
    """The server failed (5xx), is overloaded (429), or something that is no orchestrator answered."""

    def __init__(self, message: str, *, status: int, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.server_is_away = status >= 500
        self.retry_after = retry_after


class UnusableProxy(Trouble):
    """A variable of the environment names a proxy that the robot cannot speak to."""


class Refusal(Trouble):
    """The server understood and said no. ``code`` is for programs, the message for people."""

    def __init__(self, status: int, body: dict[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.code = str(body.get("code") or "refused")
        self.body = body
        self.retry_after = retry_after
        self.detail = str(body.get("detail") or body.get("title") or "refused")
        super().__init__(f"{self.detail.removesuffix('.')} ({status} {self.code})")


class NotSignedIn(Refusal):
    """401: the token or key is not, or no longer, good."""


class Forbidden(Refusal):
    """403: known, but not allowed."""


class Unknown(Refusal):
    """404: no such thing, for us at least."""


class Conflict(Refusal):
    """409: the world has moved on."""


class LogGap(Refusal):
    """416: the server has fewer bytes of the log than we believed; it says how many."""

    @property
    def offset(self) -> int:
        return int(self.body.get("offset") or 0)


_REFUSALS = {401: NotSignedIn, 403: Forbidden, 404: Unknown, 409: Conflict, 416: LogGap}


class Backoff:
    """Pauses between tries: full jitter below a ceiling that doubles, from ``first`` to ``cap`` seconds."""

    def __init__(self, first: float = 1.0, cap: float = 60.0) -> None:
        self._first, self._cap = first, cap
        self.reset()

    def reset(self) -> None:
        """The last call went well."""
        self._ceiling = self._first

    def pause(self, trouble: Trouble | None = None, *, at_most: float | None = None) -> float:
        """Return the seconds to wait before the next try; never less than the server asked for."""
        cap = min(self._cap, at_most or self._cap)
        seconds = random.uniform(0, min(self._ceiling, cap))
        self._ceiling = min(self._ceiling * 2, self._cap)
        asked = min(trouble.retry_after or 0.0, 60.0) if trouble else 0.0
        return max(seconds, asked)


class Client:
    """A connection to one orchestrator. It may be used by several threads at once.

    Args:
        url: The server's root, such as ``https://orchestrator.example``; the API lies below ``/api/v1``.
        token: The robot's token; the calls that need none leave it out.
        ca_file: A file of certificates to trust instead of the usual ones.
    """

    def __init__(self, url: str, *, token: str | None = None, ca_file: str = "") -> None:
        self.url = url
        self._is_direct = not is_proxied(url)
        headers = {"User-Agent": AGENT, "Accept": "application/json"}
        self._http = httpx.Client(
            headers=headers | ({"X-Robot-Token": token} if token else {}),
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=False,
            transport=_transport(ca_file),
            mounts=_proxies(ca_file),
            event_hooks={"response": [_limit]},
        )

    def close(self) -> None:
        self._http.close()

    def call(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Make one call below ``/api/v1`` and return its good answer (2xx).

        Raises:
            Trouble: in one of its named forms.
        """
        return self.call_address(method, f"{self.url}/api/v1{path}", **request)

    def call_address(self, method: str, address: str, **request: Any) -> httpx.Response:
        """The same as ``call`` for a whole address."""
        try:
            return good(self._http.request(method, address, **request))
        except ServerTrouble as trouble:
            trouble.server_is_away &= self._is_direct
            raise
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx.HTTPError) -> Unreachable:
        trouble = unreachable(error, self.url)
        trouble.server_is_away &= self._is_direct  # A proxy that is down says nothing about what lies behind it.
        return trouble

    def download(self, address: str) -> Iterator[bytes]:
        """Yield the bytes of a file. Raises like ``call``, also half-way."""
        try:
            with self._http.stream("GET", address, extensions={UNLIMITED: True}) as response:
                if response.status_code != 200:
                    response.read()
                    good(response)
                yield from response.iter_raw(BLOCK)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error


UNLIMITED = "bv_robot.unlimited"


class InTime(httpx.SyncByteStream):
    """A body that must have come by a moment of the steady clock."""

    def __init__(self, body: httpx.SyncByteStream, deadline: float) -> None:
        self._body, self._deadline = body, deadline

    def __iter__(self) -> Iterator[bytes]:
        for part in self._body:
            if platforms.steady() > self._deadline:
                raise httpx.ReadTimeout("the answer takes too long")
            yield part

    def close(self) -> None:
        self._body.close()


def _limit(response: httpx.Response) -> None:
    if isinstance(response.stream, httpx.SyncByteStream) and not response.request.extensions.get(UNLIMITED):
        response.stream = InTime(response.stream, platforms.steady() + CALL_SECONDS)


def body_of(response: httpx.Response, *names: str) -> dict[str, Any]:
    """The JSON object of an answer, which holds at least these names.

    Raises:
        ServerTrouble: when something else came, for instance the sign-in page of a hotel.
    """
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or not set(names) <= set(body):
        raise ServerTrouble(f"the answer is not what was asked for: {NO_ORCHESTRATOR}", status=502)
    return body


def good(response: httpx.Response) -> httpx.Response:
    """Return a 2xx answer; raise any other as the trouble it is."""
    status = response.status_code
    if 200 <= status < 300:
        return response
    retry_after = _seconds(response.headers.get("Retry-After"))
    if status == 429 or status >= 500:
        raise ServerTrouble(f"the server answered {status}", status=status, retry_after=retry_after)
    if 300 <= status < 400:
        raise ServerTrouble(f"the server answered {status}, a redirect: is the address right?", status=502)
    raise _REFUSALS.get(status, Refusal)(status, _problem(response), retry_after)


def unreachable(error: httpx.HTTPError, url: str) -> Unreachable:
    """Put a failure of the connection into words, and say whether nobody listens there."""
    told = f"{url} cannot be reached: {str(error) or 'no answer in time'} ({type(error).__name__})"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        told += "; where its certificate is your own, name a file with it as ca_file (BV_ROBOT_CA_FILE)"
    if isinstance(error, httpx.ProxyError) and str(error).startswith("407"):
        told += "; the proxy wants another name and password: HTTPS_PROXY=http://name:password@host:port"
    return Unreachable(told, server_is_away=_was_refused(error))


def _was_refused(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ConnectionRefusedError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict):
        return body
    is_page = "html" in response.headers.get("Content-Type", "")
    return {"detail": NO_ORCHESTRATOR if is_page or not response.text else response.text[:200]}


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None


# Transports


@functools.cache
def trust(ca_file: str) -> ssl.SSLContext:
    """Whom to trust: the certificates of a file where one is named, else the usual ones. Made once; it is slow."""
    return ssl.create_default_context(cafile=ca_file) if ca_file else httpx.create_ssl_context()


def _transport(ca_file: str, proxy: str | None = None) -> httpx.HTTPTransport:
    return httpx.HTTPTransport(verify=trust(ca_file), proxy=proxy, socket_options=keepalive())


def keepalive() -> list[tuple[int, int, int]]:
    """Socket options that find a dead peer in half a minute: first probe after 15 s, then every 5 s, 3 times."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


def _proxies(ca_file: str) -> dict[str, httpx.BaseTransport | None]:
    """Proxies from the environment: httpx looks there only when it makes the transport itself."""
    mounts: dict[str, httpx.BaseTransport | None] = {
        f"{scheme}://": _transport(ca_file, proxy) for scheme, proxy in proxies().items()
    }
    for host in direct_hosts(os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""):
        mounts[host] = None
    return mounts


def proxies() -> dict[str, str]:
    """The proxies of the environment, by ``http``, ``https`` and ``all``. One without a scheme is an HTTP proxy.

    Raises:
        UnusableProxy: when one is of a kind that the robot does not speak to, or no address.
    """
    named = urllib.request.getproxies()
    return {scheme: _usable_proxy(scheme, named[scheme]) for scheme in ("http", "https", "all") if named.get(scheme)}


def _usable_proxy(scheme: str, named: str) -> str:
    proxy = named if "://" in named else f"http://{named}"
    try:
        address = httpx.URL(proxy)
        is_usable = address.scheme in {"http", "https"} and bool(address.host)
    except httpx.InvalidURL:
        is_usable = False
    if not is_usable:  # It is not quoted, for there may be a password in it.
        raise UnusableProxy(f"{scheme.upper()}_PROXY names no HTTP proxy: write it as http://host:port")
    return proxy


def is_proxied(url: str) -> bool:
    """Say whether calls to an address go through a proxy of the environment."""
    named, target = proxies(), httpx.URL(url)
    return bool(named.get(target.scheme) or named.get("all")) and not urllib.request.proxy_bypass(target.host)


def direct_hosts(no_proxy: str) -> list[str]:
    """The mount patterns of a ``NO_PROXY`` list: names cover their subdomains, addresses stand for themselves."""
    patterns = []
    for host in filter(None, (part.strip() for part in no_proxy.split(","))):
        if host == "*":
            patterns.append("all://")
        elif host == "localhost" or host.replace(".", "").isdigit():
            patterns.append(f"all://{host}")
        elif ":" in host:
            patterns.append(f"all://[{host}]")
        else:
            patterns.append(f"all://*{host}")
    return patterns
