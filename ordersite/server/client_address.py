"""Finds the client's address: the peer of the connection, or what our own proxy wrote into X-Forwarded-For."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

Network = IPv4Network | IPv6Network


def networks(text: str) -> tuple[Network, ...]:
    """Parse comma-separated addresses and networks. Raises ValueError."""
    return tuple(ip_network(word.strip(), strict=False) for word in text.split(",") if word.strip())


def sender_of(meta: Mapping[str, Any], proxies: tuple[Network, ...]) -> str:
    """Return the client's address as text. X-Forwarded-For counts only if the peer is a proxy of ours."""
    peer = _peer(meta)
    forwarded = meta.get("HTTP_X_FORWARDED_FOR", "")
    if not forwarded or not _is_in(peer, proxies):
        return peer
    last = forwarded.rpartition(",")[2].strip()
    return last if _is_address(last) else peer


def is_proxy(meta: Mapping[str, Any], proxies: tuple[Network, ...]) -> bool:
    """Whether the connection comes from a proxy of ours, whose headers are believed."""
    return _is_in(_peer(meta), proxies)


def _peer(meta: Mapping[str, Any]) -> str:
    return str(meta.get("REMOTE_ADDR", ""))[:45]


@lru_cache(maxsize=256)
def _is_in(address: str, among: tuple[Network, ...]) -> bool:
    return _is_address(address) and any(ip_address(address) in one for one in among)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return len(text) <= 45
