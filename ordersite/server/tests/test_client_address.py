"""Whom a call is said to come from."""

from __future__ import annotations

import pytest

from ordersite.server.client_address import networks, sender_of

OURS = networks("127.0.0.1, 10.0.0.0/8,::1")


@pytest.mark.parametrize(
    ("peer", "forwarded", "sender"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.1.2.3", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("127.0.0.1", "<script>", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1,", "127.0.0.1"),
        ("127.0.0.1", "fe80::1%" + "x" * 60, "127.0.0.1"),
        ("", "198.51.100.1", ""),
    ],
)
def test_only_our_own_proxy_is_believed(peer: str, forwarded: str, sender: str) -> None:
    assert sender_of({"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}, OURS) == sender
