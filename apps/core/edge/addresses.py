"""Who is at the other end of the connection."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from apps.core import context

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@lru_cache(maxsize=1024)
def parse_address(text: str) -> Address | None:
    """Return the address that ``text`` names, an IPv4 one in IPv6 clothing as IPv4, or ``None``."""
    try:
        address = ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


@cache
def parse_networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Return networks from settings such as ``10.0.0.0/8``; raises ``ValueError`` for anything else."""
    return tuple(ip_network(text.strip(), strict=False) for text in texts)


def is_within(address: Address | None, networks: Iterable[str]) -> bool:
    """Say whether the address is known and inside one of the networks."""
    return address is not None and any(address in network for network in parse_networks(tuple(networks)))


def client_address(peer: str, forwarded_for: str, trusted_proxies: Iterable[str]) -> Address | None:
    """Return the address of the client behind our own proxies.

    ``X-Forwarded-For`` is read from its end, and only as long as each hop is one of ours: whatever stands before the
    first stranger was written by that stranger.
    """
    trusted = tuple(trusted_proxies)
    address = parse_address(peer)
    hops = [hop for hop in forwarded_for.split(",") if hop.strip()]
    while hops and is_within(address, trusted):
        address = parse_address(hops.pop())
    return address


def forwarded_scheme(peer: str, forwarded_proto: str, trusted_proxies: Iterable[str]) -> str:
    """Return the scheme by which our own proxy was called, or nothing: strangers may write what they like."""
    is_ours = is_within(parse_address(peer), trusted_proxies)
    scheme = forwarded_proto.strip().lower()
    return scheme if is_ours and scheme in ("http", "https") else ""


def of_request(request: object) -> str | None:
    """Return the client's address in the request being handled, for libraries that would work it out by themselves."""
    return context.current().address
