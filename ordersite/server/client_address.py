"""Whose call it is: the other end of the connection, or, behind our own proxy, the address that the proxy wrote."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

Network = IPv4Network | IPv6Network


def networks(text: str) -> tuple[Network, ...]:
    """Addresses and networks, comma-separated. Raises ValueError."""
    return tuple(ip_network(word.strip(), strict=False) for word in text.split(",") if word.strip())


def sender_of(meta: Mapping[str, Any], proxies: tuple[Network, ...]) -> str:
    """An address as text, or what the server gave as one. A caller that is no proxy of ours is not believed."""
    peer = str(meta.get("REMOTE_ADDR", ""))[:45]
    forwarded = meta.get("HTTP_X_FORWARDED_FOR", "")
    if not forwarded or not _is_in(peer, proxies):
        return peer
    last = forwarded.rpartition(",")[2].strip()
    return last if _is_address(last) else peer


@lru_cache(maxsize=256)
def _is_in(address: str, among: tuple[Network, ...]) -> bool:
    return _is_address(address) and any(ip_address(address) in one for one in among)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return len(text) <= 45
