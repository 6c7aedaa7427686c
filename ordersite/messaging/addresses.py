"""The addresses of buyers: which one a channel takes, how it is shown, and the fingerprint that finds it again."""

from __future__ import annotations

import hashlib
import hmac

from django.conf import settings

from orders.models import Order
from ordersite.lib.masking import mask_phone
from ordersite.messaging.senders.interface import AddressKind


def address_of(order: Order, kind: str) -> str:
    """The buyer's address of this kind, as it stands now; empty where there is none. Reads the order's `buyer`."""
    match kind:
        case AddressKind.PHONE:
            return order.buyer_phone
        case AddressKind.OPENID:
            return order.buyer.openid
        case AddressKind.EMAIL:
            return order.buyer.email
    return ""


def digest_of(kind: str, address: str) -> str:
    """The HMAC-SHA256 of an address, keyed by the site's SECRET_KEY: a plain hash of a phone number could be guessed."""
    key = f"message address {settings.SECRET_KEY}".encode()
    return hmac.new(key, f"{kind}:{_tidy(kind, address)}".encode(), hashlib.sha256).hexdigest()


def masked(kind: str, address: str) -> str:
    """An address as pages show it: enough to recognise it, too little to use it."""
    if kind == AddressKind.PHONE:
        return mask_phone(address)
    if kind == AddressKind.EMAIL:
        name, at, domain = address.partition("@")
        return f"{name[:1]}***{at}{domain}"[:100]
    return f"{address[:4]}***{address[-2:]}" if len(address) > 8 else "***"


def _tidy(kind: str, address: str) -> str:
    """One form for what reaches the same person."""
    if kind == AddressKind.PHONE:
        digits = "".join(sign for sign in address if sign.isascii() and sign.isdigit()).removeprefix("00")
        return digits.removeprefix("86") if len(digits) == 13 else digits
    return address.strip().lower() if kind == AddressKind.EMAIL else address.strip()
