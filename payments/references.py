"""Numbers of ours that go out to providers: for payments and for refunds."""

from __future__ import annotations

import secrets

# Crockford's base 32: no letters that are read wrongly on the phone. 24 of them are 120 random bits.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 24


def new_reference() -> str:
    """24 characters of [0-9A-Z], which every provider takes (WeChat: 6 to 32, UnionPay: 8 to 40, Alipay: to 64)."""
    return "".join(secrets.choice(_ALPHABET) for _position in range(_LENGTH))
