"""Which addresses outgoing calls may reach: public ones, and those that the settings name.

Staff set the addresses of providers and carriers. Without this rule one of them could make the shop call what only this
machine or its network sees: a database, a cloud's metadata, the admin of a router.
"""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpx2
from django.conf import settings
from django.utils.translation import gettext as _

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
# Forms that carry an IPv4 address inside an IPv6 one, their relays, and what `is_global` does not know yet.
_NEVER: tuple[Network, ...] = (
    ip_network("192.0.0.0/24"),
    ip_network("192.88.99.0/24"),
    ip_network("::/96"),
    ip_network("::ffff:0:0/96"),
    ip_network("64:ff9b::/96"),
    ip_network("64:ff9b:1::/48"),
    ip_network("2001::/32"),
    ip_network("2002::/16"),
    ip_network("3fff::/20"),
    ip_network("5f00::/16"),
    ip_network("fec0::/10"),
)


class AddressRefused(Exception):
    """Raised before a connection is made; `place` is the host or address that may not be reached."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


@dataclass(frozen=True, slots=True)
class Target:
    """An address that was checked. `place` is what a socket of `family` connects to."""

    family: socket.AddressFamily
    place: tuple[Any, ...]


@dataclass(slots=True)
class _Lookup:
    """A name being resolved in a thread of its own, because the resolver has no time-out."""

    host: str
    port: int
    done: threading.Event = field(default_factory=threading.Event)
    found: list[Target] = field(default_factory=list)
    error: Exception | None = None

    def run(self) -> None:
        try:
            self.found = _entries(self.host, self.port)
        except (OSError, UnicodeError) as error:
            self.error = error
        finally:
            self.done.set()


def host_of(url: str) -> str:
    """Return the host as it is connected to, in ASCII without brackets. Raises ValueError."""
    try:
        return httpx2.URL(url).raw_host.decode("ascii")
    except httpx2.InvalidURL as error:
        raise ValueError("not an address") from error


def literal(host: str) -> Address | None:
    """Return the address that the host is a spelling of, the short, octal and hexadecimal ones included; None: a name."""
    name = host.rstrip(".")
    return ip_address("127.0.0.1") if name.endswith(".localhost") or name == "localhost" else _number(name)


def _number(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return ip_address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def is_excepted(address: Address) -> bool:
    """Whether the settings allow this address by name, with or without TLS.

    They are `OUTGOING_ALLOWED_NETWORKS`, and the loopback in the demonstration shop, whose providers live there.
    """
    among: tuple[Network, ...] = settings.OUTGOING_ALLOWED_NETWORKS
    return any(address in one for one in (*among, *(_LOOPBACK if settings.DEMO_SHOP else ())))


def is_allowed(address: Address) -> bool:
    """Whether an outgoing call may connect to this address."""
    return is_excepted(address) or _is_public(address)


def _is_public(address: Address) -> bool:
    is_special = (
        address.is_multicast or address.is_reserved or address.is_unspecified or address.is_link_local
    )
    return address.is_global and not is_special and not any(address in one for one in _NEVER)


def targets_of(url: str, *, seconds: float) -> list[Target]:
    """Resolve the URL's host once and return the addresses that may be called, in the resolver's order.

    Plain http is for addresses that the settings name. Raises `AddressRefused` where none is left, TimeoutError after
    `seconds`, OSError where the name has no address, ValueError for what is no URL.
    """
    host, parts = host_of(url), httpx2.URL(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    may_reach = is_allowed if parts.scheme == "https" else is_excepted
    number = _number(host.rstrip("."))
    found = _resolve(host, port, seconds=seconds) if number is None else _entries(str(number), port)
    allowed = [target for target in found if may_reach(ip_address(target.place[0]))]
    if not allowed:
        raise AddressRefused(host)
    return allowed


def _resolve(host: str, port: int, *, seconds: float) -> list[Target]:
    lookup = _Lookup(host, port)
    threading.Thread(target=lookup.run, name="resolve", daemon=True).start()
    if not lookup.done.wait(seconds):
        raise TimeoutError(f"{host} was not resolved in time")
    if lookup.error:
        raise OSError(str(lookup.error)) from lookup.error
    return lookup.found


def _entries(host: str, port: int) -> list[Target]:
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [
        Target(family, place)
        for family, _kind, _protocol, _name, place in entries
        if family in (socket.AF_INET, socket.AF_INET6)
    ]


def address_problems(key: str, url: str) -> list[str]:
    """The problem of an address that a person sets under this key, in the reader's language; names are not resolved.

    What a name leads to is checked at each call, since it may change.
    """
    try:
        parts, host = httpx2.URL(url), host_of(url)
        is_plain = not host or parts.scheme not in ("http", "https") or bool(parts.userinfo)
    except (ValueError, httpx2.InvalidURL):
        is_plain, host = True, ""
    found = literal(host) if host else None
    if found is not None and not is_allowed(found):
        return [
            _("%(key)s: %(host)s lies in a network that outgoing calls may not reach.")
            % {"key": key, "host": host}
        ]
    if is_plain or (parts.scheme == "http" and (found is None or not is_excepted(found))):
        return [_("%(key)s must be an https address.") % {"key": key}]
    return []
