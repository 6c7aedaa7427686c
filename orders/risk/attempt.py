"""An attempt to create an order, as the layers against duplicates see it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from orders.intake.drafts import OrderDraft

# Whatever is no letter and no digit is written differently each time, and means nothing.
_NOISE = re.compile(r"[\W_]+")


def digest_of(*parts: object) -> str:
    """The SHA-256 of these values in this order, in hex. None of them has a NUL: no input of ours may."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def normalised(*parts: str) -> str:
    """The parts of an address in one spelling: width, case, blanks and punctuation do not matter."""
    return _NOISE.sub("", unicodedata.normalize("NFKC", "".join(parts))).lower()


@dataclass(frozen=True)  # no slots: what is worked out from the draft is kept, for each layer asks again
class Attempt:
    """One call that wants an order. `key` is the idempotency key, `at` is UTC."""

    merchant_id: int
    client_id: int
    key: str
    at: datetime
    draft: OrderDraft

    @cached_property
    def member(self) -> str:
        """The name under which it is counted: a replay of its key is no other attempt."""
        return digest_of(self.client_id, self.key)[:32]

    @property
    def buyer(self) -> str:
        """The merchant's own id of the buyer."""
        return self.draft.buyer.id

    @property
    def phone(self) -> str:
        return self.draft.buyer.phone

    @cached_property
    def products(self) -> tuple[str, ...]:
        return tuple(sorted({line.product_id for line in self.draft.lines}))

    @cached_property
    def amount(self) -> Decimal:
        """Yuan."""
        return self.draft.total_amount

    @cached_property
    def fingerprint(self) -> str:
        """Buyer, products and amount. The time is left out: with it no two would be alike."""
        return digest_of(self.merchant_id, self.buyer, self.draft.product_set, self.amount)

    @cached_property
    def address(self) -> str:
        """The address in one spelling; see `normalised`."""
        given = self.draft.address
        return normalised(given.province, given.city, given.district, given.street)

    @property
    def device_id(self) -> str:
        return self.draft.device_id

    @property
    def client_ip(self) -> str:
        return self.draft.client_ip
