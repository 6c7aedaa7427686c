"""The network that a buyer's address is counted under."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network

# A line of a household or of a phone gets a /64 or more, and picks a new address in it every few hours.
_IPV6_PREFIX = 64
# Addresses that say nothing about who calls: this machine, private networks, carriers' own networks (RFC 6598).
_UNCOUNTED = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
        "224.0.0.0/4", "240.0.0.0/4", "::/128", "::1/128", "fc00::/7", "fe80::/10", "ff00::/8",
    )
)  # fmt: skip


@lru_cache(maxsize=4096)
def counted_network(text: str) -> str:
    """Return an IPv4 address, or the /64 of an IPv6 address, as text; "" where it is none that may be counted.

    Never counted: private, loopback, link-local and multicast addresses, and 100.64.0.0/10, behind which a carrier
    has any number of customers. An IPv4 address written as IPv6 is that IPv4 address.
    """
    try:
        address = ip_address(text.strip())
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if any(address in network for network in _UNCOUNTED):
        return ""
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _IPV6_PREFIX), strict=False))
    return str(address)
