"""The evidence of a review, side by side: its order, and what else the buyer tried with the same products."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from orders.models import (
    HoldReview,
    Intercept,
    InterceptLayer,
    InterceptOutcome,
    Order,
    OrderLine,
    OrderStatus,
    StrategyKind,
)
from orders.risk.attempt import normalised
from orders.risk.trail import failed_beside, orders_beside
from ordersite.admin.order_labels import STATUS_TONES
from ordersite.lib import masking

# Who brushes does not begin with the attempt that is one too many.
_BEFORE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """One value of a row. `is_same`: the review's order has it too."""

    text: str
    is_same: bool = False


@dataclass(frozen=True, slots=True)
class BesideRow:
    """An attempt or order beside the one under review. `at` is UTC, `amount` yuan, `layer` the one that refused."""

    at: datetime
    outcome: str | Promise
    layer: str | Promise
    tone: str
    order_id: int | None
    order_number: str
    amount: Decimal | None
    device: Seen
    client_ip: Seen
    phone: Seen
    address: Seen
    is_subject: bool


def rows_of(review: HoldReview) -> list[BesideRow]:
    """The review's order first, then what else this buyer tried with its products, the newest first."""
    subject, products, since = review.order, _products(review), review.opened_at - _BEFORE
    others = [one for one in orders_beside(subject, products, since) if one.pk != subject.pk]
    rows = [
        *(_of_order(one, subject) for one in others),
        *(_of_failed(row, subject) for row in failed_beside(subject, products, since)),
    ]
    return [_of_order(subject, subject), *sorted(rows, key=lambda row: row.at, reverse=True)]


def _products(review: HoldReview) -> Sequence[str]:
    named: Sequence[str] = review.seen.get("products", ())
    return named or list(review.order.lines.values_list("product_id", flat=True))


def _of_order(order: Order, subject: Order) -> BesideRow:
    status = OrderStatus(order.status)
    return BesideRow(
        at=order.created_at,
        outcome=status.label,
        layer="",
        tone=STATUS_TONES[status],
        order_id=order.pk,
        order_number=order.number,
        amount=order.total_amount,
        device=_value(order.device_id, subject.device_id, order is subject),
        client_ip=_value(order.client_ip, subject.client_ip, order is subject),
        phone=_phone(order.buyer_phone, subject, order is subject),
        address=_address(address_of(order), subject, order is subject),
        is_subject=order is subject,
    )


def _of_failed(row: Intercept, subject: Order) -> BesideRow:
    """An attempt that made no order: what became of it, and at which layer."""
    return BesideRow(
        at=row.at,
        outcome=InterceptOutcome(row.outcome).label,
        layer=InterceptLayer(row.layer).label if row.layer else "",
        tone="bad",
        order_id=None,
        order_number="",
        amount=row.amount,
        device=_value(row.device_id, subject.device_id),
        client_ip=_value(row.client_ip, subject.client_ip),
        phone=_phone(row.buyer_phone, subject),
        address=_address(row.address, subject),
        is_subject=False,
    )


def _value(text: str, of_subject: str, is_subject: bool = False) -> Seen:
    return Seen(text, bool(text) and text == of_subject and not is_subject)


def _phone(phone: str, subject: Order, is_subject: bool = False) -> Seen:
    return Seen(masking.mask_phone(phone), phone == subject.buyer_phone and not is_subject)


def _address(address: str, subject: Order, is_subject: bool = False) -> Seen:
    """Compared in one spelling, for a buyer who brushes writes one address in many."""
    is_same = normalised(address) == normalised(address_of(subject))
    return Seen(address, bool(address) and is_same and not is_subject)


def address_of(order: Order) -> str:
    return " ".join((order.province, order.city, order.district, order.street))


def grounds_of(review: HoldReview) -> list[str]:
    """What the rule had against the order: a sentence for each product, or for each strategy."""
    names = _names(review)
    of_products = [
        _sentence(review, names.get(product, product), count) for product, count in _counts(review)
    ]
    return [*of_products, *map(_of_strategy, review.seen.get("strategies", ()))]


def _sentence(review: HoldReview, product: str, count: int) -> str:
    minutes = max(round(review.seen.get("window", 0) / 60), 1)
    words = ngettext(
        "%(count)d attempts to order “%(product)s” within %(minutes)d minute; more than %(threshold)d are too many.",
        "%(count)d attempts to order “%(product)s” within %(minutes)d minutes; more than %(threshold)d are too many.",
        minutes,
    )
    threshold = review.seen.get("threshold", 0)
    return words % {"count": count, "product": product, "minutes": minutes, "threshold": threshold}


def _of_strategy(seen: Mapping[str, Any]) -> str:
    """One hit of a strategy, as `orders.risk.judged` has written it."""
    words = _("%(kind)s, %(value)s: %(count)d attempts; more than %(threshold)d are too many.")
    kind = dict(StrategyKind.choices).get(seen["kind"], seen["kind"])
    return words % {"kind": kind, **{name: seen[name] for name in ("value", "count", "threshold")}}


def _counts(review: HoldReview) -> Iterator[tuple[str, int]]:
    counts: Mapping[str, int] = review.seen.get("counts", {})
    yield from counts.items()


def _names(review: HoldReview) -> dict[str, str]:
    lines = OrderLine.objects.filter(order_id=review.order_id).values_list("product_id", "name")
    return dict(lines)


def summary_of(review: HoldReview) -> str:
    """The attempts in a few words, for the list."""
    counts = [count for _product, count in _counts(review)]
    if not counts:
        return ""
    return ngettext("%(count)d attempt", "%(count)d attempts", max(counts)) % {"count": max(counts)}
