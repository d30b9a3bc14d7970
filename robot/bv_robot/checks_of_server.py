"""What the doctor looks at outside this machine: the orchestrator, the way to it, its clock, the long wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from bv_robot import client, config, spool
from bv_robot.client import Client, Trouble
from bv_robot.config import Config, ConfigError, Home
from bv_robot.findings import Finding

MOST_SKEW = 30.0
"""Seconds by which this machine's clock may differ from the server's."""


def check(home: Home, settings: Config) -> Iterator[Finding]:
    """Check the way to the orchestrator, as far as it can be gone."""
    url = settings.url or _enrolled_at(home)
    if not url:
        yield Finding.problem("orchestrator", "no address is known", "bv-robot enroll URL --key KEY, or give --url")
        return
    proxy = check_proxy(url)
    yield proxy
    if proxy.needs_attention:  # No call can be made with it.
        return
    http = Client(url, ca_file=settings.ca_file)
    try:
        yield from check_orchestrator(http, settings.ca_file)
        yield check_wait(http, str(spool.read_note(home.status_file).get("wait_url") or ""))
    finally:
        http.close()


def _enrolled_at(home: Home) -> str:
    try:
        identity = config.read_identity(home)
    except ConfigError:  # It is found, and told, with the credential.
        return ""
    return identity.url if identity else ""


def check_proxy(url: str) -> Finding:
    """Find the proxy that calls to an address go through. Its password is not shown."""
    try:
        named = client.proxies()
    except client.UnusableProxy as unusable:
        return Finding.problem("proxy", str(unusable), "Other kinds of proxy are not spoken; name one, or none")
    if client.is_proxied(url):
        used = named.get(urlsplit(url).scheme) or named["all"]
        return Finding("proxy", f"calls go through {_without_password(used)}")
    return Finding("proxy", "none for this address (NO_PROXY)" if named else "none")


def _without_password(proxy: str) -> str:
    return str(httpx.URL(proxy).copy_with(userinfo=b""))


def check_orchestrator(http: Client, ca_file: str) -> Iterator[Finding]:
    """Ask an address whether it is an orchestrator; its answer tells of certificates and clocks as well."""
    asked = time.time()
    try:
        answer = http.call("GET", "/health/live")
        client.body_of(answer, "status")
    except Trouble as trouble:
        yield _unanswered(http.url, trouble)
        return
    yield Finding("orchestrator", f"{http.url} answers")
    yield check_trust(http.url, ca_file)
    yield check_clock(answer.headers.get("Date"), (asked + time.time()) / 2)


def _unanswered(url: str, trouble: Trouble) -> Finding:
    told = str(trouble)
    if "CERTIFICATE_VERIFY_FAILED" in told:
        advice = "Name its certificate as ca_file; one that is expired or not yet valid may mean a wrong clock here"
        return Finding.problem("TLS trust", told, advice)
    if client.is_proxied(url):
        advice = "See that the proxy lets this address through, or name its host in NO_PROXY"
    elif isinstance(trouble, client.Unreachable):
        advice = "See that the address is right, that the orchestrator runs, and that no firewall is between"
    else:
        advice = "See that the address is the orchestrator's own, and what its log says"
    return Finding.problem("orchestrator", told if url in told else f"{url}: {told}", advice)


def check_trust(url: str, ca_file: str) -> Finding:
    """Say by what the orchestrator's certificate is trusted; without one others may read what is said."""
    if not url.startswith("https://"):
        told = "no TLS: what the robot says, its token too, can be read on the way"
        if urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1"):
            return Finding("TLS trust", f"{told}, which does not leave this machine")
        return Finding.warning(
            "TLS trust", told, "Give the orchestrator a certificate, and the robot its https:// address"
        )
    return Finding("TLS trust", f"its certificate is trusted by {ca_file or 'the usual certificates'}")


def check_clock(date: str | None, now: float) -> Finding:
    """Compare this machine's clock with the ``Date`` of an answer."""
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return Finding("clock", "not compared: the server does not tell its time")
    skew = now - theirs
    if abs(skew) <= MOST_SKEW:
        return Finding("clock", f"within {MOST_SKEW:g} s of the server's")
    direction = "ahead of" if skew > 0 else "behind"
    advice = "Have this machine, or the server, set its clock by NTP: times in logs cannot be compared"
    return Finding.warning("clock", f"{abs(skew):.0f} s {direction} the server's", advice)


def check_wait(http: Client, address: str) -> Finding:
    """Call the long wait with no ticket: that it refuses shows that it can be reached."""
    if not address:
        return Finding("long wait", "not known before the robot has run")
    advice = "Jobs still come, with every sync, but later. See that this address is let through"
    try:
        http.call_address("GET", address)
    except client.Unknown:
        return Finding.warning("long wait", f"{address}: nothing is there", advice)
    except client.Refusal:
        return Finding("long wait", f"{address} can be reached")
    except Trouble as trouble:
        return Finding.warning("long wait", f"{address}: {trouble}", advice)
    return Finding("long wait", f"{address} can be reached")
