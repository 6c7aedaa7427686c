"""Our references of payments and refunds, which providers store with the trade."""

from __future__ import annotations

import secrets

# Crockford's base 32: no letters that are read wrongly on the phone. 24 of them are 120 random bits.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 24


def new_reference() -> str:
    """Create a random reference of 24 characters [0-9A-Z]; every provider takes it (WeChat: 6 to 32, UnionPay: 8 to 40)."""
    return "".join(secrets.choice(_ALPHABET) for _position in range(_LENGTH))
