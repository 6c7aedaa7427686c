"""Drafts of orders: plain data whose fields are valid one by one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from django.utils.translation import gettext as _

from orders import errors
from orders.history.lines import Actor, Evidence
from orders.models import Buyer
from ordersite.lib.errors import DomainError
from ordersite.lib.money import LARGEST, ZERO


@dataclass(frozen=True, slots=True)
class BuyerDraft:
    """The buyer of a draft. `id` is the merchant's own id; empty `openid`, `email` and `tier` leave the stored values."""

    id: str
    name: str
    phone: str
    openid: str = ""
    email: str = ""
    tier: str = ""


@dataclass(frozen=True, slots=True)
class LineDraft:
    product_id: str
    name: str
    quantity: int
    unit_price: Decimal

    @property
    def amount(self) -> Decimal:
        return self.unit_price * self.quantity


@dataclass(frozen=True, slots=True)
class AddressDraft:
    province: str
    city: str
    district: str
    street: str
    postcode: str = ""


@dataclass(frozen=True)  # no slots: sums and digests are kept
class OrderDraft:
    """An order to create. Money is yuan.

    `actor`, `evidence` and `trigger` are recorded in the history: who ordered, by which request, through which way.
    """

    buyer: BuyerDraft
    lines: tuple[LineDraft, ...]
    address: AddressDraft
    actor: Actor
    evidence: Evidence | None = None
    shipping_fee: Decimal = ZERO
    discount: Decimal = ZERO
    note: str = ""
    device_id: str = ""
    client_ip: str = ""
    confirm_duplicate: bool = False
    trigger: str = "api"

    @cached_property
    def goods_amount(self) -> Decimal:
        return sum((line.amount for line in self.lines), ZERO)

    @cached_property
    def total_amount(self) -> Decimal:
        return self.goods_amount + self.shipping_fee - self.discount

    @cached_property
    def product_set(self) -> str:
        """The SHA-256 of the set of products; their order and quantities do not matter."""
        products = sorted({line.product_id for line in self.lines})
        return hashlib.sha256(json.dumps(products).encode()).hexdigest()

    @property
    def is_payable(self) -> bool:
        """Whether the fields add up to an order that can be paid."""
        try:
            self.check()
        except DomainError:
            return False
        return True

    def check(self) -> None:
        """Raise `invalid` with the field if the fields do not add up to a payable order."""
        if not self.lines:
            raise errors.invalid(lines=_("An order has at least one line."))
        if self.buyer.tier and self.buyer.tier not in Buyer.Tier.values:
            raise errors.invalid(buyer=_("There is no such tier."))
        if self.goods_amount + self.shipping_fee > LARGEST:
            raise errors.invalid(total_amount=_("More than 999,999,999.99 cannot be paid at once."))
        if self.total_amount <= ZERO:
            raise errors.invalid(total_amount=_("The total must be more than zero."))
