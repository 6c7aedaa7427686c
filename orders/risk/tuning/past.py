"""Attempts of the past, oldest first: the orders that were made and the attempts that were refused."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import QuerySet

from orders.models import Intercept, InterceptOutcome, Order, OrderLine
from orders.risk.attempt import normalised
from ordersite.lib.models.by_time import first_since

# The newest so many orders, and as many refused attempts, are read at most; a row costs some 30 us.
MOST = 50_000
_CHUNK = 2_000
_ORDER = (
    "pk", "created_at", "number", "status", "merchant_id", "buyer__outside_id", "total_amount", "buyer_phone",
    "province", "city", "district", "street", "device_id", "client_ip",
)  # fmt: skip
_REFUSED = (
    "at", "key_digest", "merchant_id", "buyer_outside_id", "amount", "buyer_phone", "address", "device_id", "client_ip",
    "products",
)  # fmt: skip


class FormerAttempt(NamedTuple):
    """An order that was made, or an attempt that was refused (then `order_id` is 0). See `strategies.Traits`.

    A tuple, and the address in its parts until somebody asks: there are many of them.
    """

    at: datetime
    merchant_id: int
    buyer: str
    amount: Decimal
    phone: str
    address_parts: tuple[str, ...]
    device_id: str
    client_ip: str
    products: tuple[str, ...] = ()
    order_id: int = 0
    number: str = ""
    status: str = ""

    @property
    def address(self) -> str:
        """In one spelling."""
        return normalised(*self.address_parts)


@dataclass(frozen=True, slots=True)
class ReadSpan:
    """What is to be read: from `since` (UTC) on, `is_cut` where the rows before were too many."""

    merchant_id: int | None
    since: datetime
    first_order: int
    is_cut: bool

    def attempts(self, *, with_products: bool) -> Iterator[FormerAttempt]:
        """Read the attempts in bounded memory. Products take a query more for each chunk of orders."""
        both = (_orders(self, with_products=with_products), _refused(self))
        return heapq.merge(*both, key=lambda attempt: attempt.at)


def past_since(since: datetime, merchant_id: int | None, most: int) -> ReadSpan:
    """Choose what is read: since then (UTC), of one merchant or of all (None), the newest `most` at most."""
    orders = Order.objects.of_merchant(merchant_id)
    first = first_since(orders, "created_at", since)
    beyond = orders.filter(pk__gte=first).order_by("-pk").values_list("pk", "created_at")[most - 1 : most + 1]
    cut, *before = list(beyond) or [(first, since)]
    start, first = (cut[1], cut[0]) if before else (since, first)
    refused = (
        _refused_rows(merchant_id, start).order_by("-at").values_list("at", flat=True)[most - 1 : most + 1]
    )
    oldest, *older = list(refused) or [start]
    return ReadSpan(merchant_id, oldest if older else start, first, bool(before or older))


def _orders(past: ReadSpan, *, with_products: bool) -> Iterator[FormerAttempt]:
    rows = Order.objects.of_merchant(past.merchant_id).order_by("pk").values_list(*_ORDER)
    first = past.first_order
    while chunk := list(rows.filter(pk__gte=first)[:_CHUNK]):
        first = chunk[-1][0] + 1
        products = _products_of(row[0] for row in chunk) if with_products else {}
        yield from (_of_order(row, products) for row in chunk if row[1] >= past.since)


def _of_order(row: tuple[Any, ...], products: dict[int, tuple[str, ...]]) -> FormerAttempt:
    pk, at, number, status, merchant_id, buyer, amount, phone, *address, device_id, client_ip = row
    return FormerAttempt(
        at,
        merchant_id,
        buyer,
        amount,
        phone,
        tuple(address),
        device_id,
        client_ip,
        products.get(pk, ()),
        pk,
        number,
        status,
    )


def _products_of(orders: Iterable[int]) -> dict[int, tuple[str, ...]]:
    found: defaultdict[int, set[str]] = defaultdict(set)
    for order_id, product in OrderLine.objects.filter(order_id__in=list(orders)).values_list(
        "order_id", "product_id"
    ):
        found[order_id].add(product)
    return {order_id: tuple(sorted(products)) for order_id, products in found.items()}


def _refused_rows(merchant_id: int | None, since: datetime) -> QuerySet[Intercept]:
    rows = Intercept.objects.filter(at__gte=since, outcome=InterceptOutcome.REFUSED)
    return rows if merchant_id is None else rows.filter(merchant_id=merchant_id)


def _refused(past: ReadSpan) -> Iterator[FormerAttempt]:
    """Each refused attempt once: what came again with the same key is no other attempt."""
    known: set[tuple[int, str]] = set()
    rows = _refused_rows(past.merchant_id, past.since).order_by("at").values_list(*_REFUSED)
    for at, key, merchant_id, buyer, amount, phone, address, device_id, client_ip, products in rows.iterator(
        _CHUNK
    ):
        if (merchant_id, key) in known:
            continue
        known.add((merchant_id, key))
        yield FormerAttempt(
            at, merchant_id, buyer, amount, phone, (address,), device_id, client_ip, tuple(products)
        )
