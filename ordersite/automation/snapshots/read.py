"""Reads the values that conditions compare, as they were at each fact: the engine and a dry run read them alike.

Only the tables that the named fields need are read, each with one statement for all facts (the history with two).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from logistics.dispatch.instructions.choose import province_key
from logistics.models import Shipment, ShipmentStatus
from orders.models import HoldReview, Order, OrderEvent, OrderEventText, OrderLine
from ordersite.automation.catalogue.fields import FIELDS, Part
from ordersite.automation.models import OrderTag
from ordersite.automation.snapshots.facts import RuleFact
from ordersite.lib.money import fen
from payments.models import Payment, Refund

Kind = OrderEvent.EventKind
# A provider's clock may run ahead of ours: its time of payment or refund may lie a little after the event here.
CLOCKS = timedelta(minutes=10)
Values = Mapping[str, Any]
Reader = Callable[[RuleFact, Order], Values]
_ORDER = (
    "id", "merchant_id", "total_amount", "created_at", "paid_at", "note", "is_important", "province", "city", "district",
)  # fmt: skip


def read(facts: Sequence[RuleFact], keys: Collection[str]) -> list[tuple[Order | None, Values]]:
    """For each fact its order (None: there is none) and the values of these fields, as they were at the fact."""
    ids = sorted({fact.order_id for fact in facts})
    orders = {order.pk: order for order in Order.objects.filter(pk__in=ids).only(*_ORDER)}
    parts = {FIELDS[key].part for key in keys}
    readers = [_READERS[part](ids) for part in Part if part in parts]
    found: list[tuple[Order | None, Values]] = []
    for fact in facts:
        order = orders.get(fact.order_id)
        values: dict[str, Any] = {}
        for reader in readers if order else ():
            values |= reader(fact, order)  # type: ignore[arg-type]  # there are readers for orders alone
        found.append((order, values))
    return found


def _order(_ids: Iterable[int]) -> Reader:
    def values(fact: RuleFact, order: Order) -> Values:
        return {
            "total_amount": fen(order.total_amount),
            "note": order.note,
            "buyer_tier": "important" if order.is_important else "normal",
            "province": province_key(order.province),
            "city": order.city,
            "district": order.district,
            "hours_since_created": _hours(order.created_at, fact.at),
            "hours_since_paid": _hours(order.paid_at, fact.at),
        }

    return values


def _hours(since: datetime | None, at: datetime) -> int | None:
    """Whole hours; None where it had not happened yet."""
    if since is None or since > at + CLOCKS:
        return None
    return max(int((at - since) / timedelta(hours=1)), 0)


def _lines(ids: Sequence[int]) -> Reader:
    rows: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    found = OrderLine.objects.filter(order_id__in=ids).order_by("order_id", "position")
    for order_id, product, quantity in found.values_list("order_id", "product_id", "quantity"):
        rows[order_id].append((product, quantity))

    def values(fact: RuleFact, _order: Order) -> Values:
        lines = rows[fact.order_id]
        return {
            "product_ids": [product for product, _quantity in lines],
            "quantity": sum(quantity for _product, quantity in lines),
        }

    return values


def _history(ids: Sequence[int]) -> Reader:
    rows: defaultdict[int, list[tuple[int, str, str, datetime]]] = defaultdict(list)
    kinds = (Kind.CREATED, Kind.TRANSITION, Kind.HOLD, Kind.RELEASE)
    lines = OrderEvent.objects.filter(order_id__in=ids, kind__in=kinds).order_by("order_id", "seq")
    holds = set[tuple[int, int]]()
    columns = ("order_id", "seq", "kind", "to_status", "at", "recorded_at")
    for order_id, seq, kind, status, at, recorded_at in lines.values_list(*columns):
        # What is written late counts from when it happened, and a clock that runs ahead from when it was written.
        rows[order_id].append((seq, kind, status, min(at, recorded_at)))
        if kind == Kind.HOLD:
            holds.add((order_id, seq))
    reasons = _reasons(holds)

    def values(fact: RuleFact, _order: Order) -> Values:
        status, held_by = "", 0
        for seq, kind, reached, at in rows[fact.order_id]:
            if at > fact.at:
                continue
            status = reached or status
            held_by = seq if kind == Kind.HOLD else 0 if kind == Kind.RELEASE else held_by
        reason = reasons.get((fact.order_id, held_by), "") if held_by else ""
        return {"status": status, "is_held": bool(held_by), "hold_reason": reason}

    return values


def _reasons(lines: Collection[tuple[int, int]]) -> Mapping[tuple[int, int], str]:
    if not lines:
        return {}
    texts = OrderEventText.objects.filter(
        order_id__in={order_id for order_id, _seq in lines}, seq__in={seq for _order_id, seq in lines}
    )
    return {(order_id, seq): text for order_id, seq, text in texts.values_list("order_id", "seq", "text")}


def _payments(ids: Sequence[int]) -> Reader:
    rows: defaultdict[int, list[tuple[datetime, int, str]]] = defaultdict(list)
    paid = Payment.objects.filter(order_id__in=ids, paid_at__isnull=False, is_surplus=False).order_by("pk")
    for order_id, at, amount, provider in paid.values_list(
        "order_id", "paid_at", "amount", "account__provider"
    ):
        if at is not None:
            rows[order_id].append((at, fen(amount), provider))

    def values(fact: RuleFact, _order: Order) -> Values:
        known = [row for row in rows[fact.order_id] if row[0] <= fact.at + CLOCKS]
        return {
            "paid_amount": sum(amount for _at, amount, _provider in known) if known else None,
            "provider": sorted({provider for _at, _amount, provider in known}),
        }

    return values


def _refunds(ids: Sequence[int]) -> Reader:
    rows: defaultdict[int, list[tuple[datetime, int]]] = defaultdict(list)
    refunds = Refund.objects.filter(payment__order_id__in=ids, payment__is_surplus=False)
    for order_id, at, amount in refunds.values_list("payment__order_id", "refunded_at", "amount"):
        rows[order_id].append((at, fen(amount)))

    def values(fact: RuleFact, _order: Order) -> Values:
        return {
            "refunded_amount": sum(amount for at, amount in rows[fact.order_id] if at <= fact.at + CLOCKS)
        }

    return values


def _parcels(ids: Sequence[int]) -> Reader:
    rows: defaultdict[int, list[Shipment]] = defaultdict(list)
    found = Shipment.objects.filter(order_id__in=ids).select_related("warehouse").order_by("pk")
    for parcel in found.only(
        "order_id", "carrier", "status", "created_at", "delivered_at", "last_event_at", "warehouse__slug"
    ):
        rows[parcel.order_id].append(parcel)

    def values(fact: RuleFact, _order: Order) -> Values:
        parcels = [one for one in rows[fact.order_id] if one.created_at <= fact.at + CLOCKS]
        return {
            "parcels": len(parcels),
            "carriers": sorted({one.carrier for one in parcels}),
            "warehouses": sorted({one.warehouse.slug for one in parcels}),
            "parcel_states": sorted({_state_at(one, fact.at) for one in parcels}),
        }

    return values


def _state_at(parcel: Shipment, at: datetime) -> str:
    """Its state then, as far as its times prove it: of one on the way only that it was on the way."""
    if parcel.delivered_at is not None and parcel.delivered_at <= at:
        return ShipmentStatus.DELIVERED
    is_back = parcel.status == ShipmentStatus.RETURNED
    if is_back and parcel.last_event_at is not None and parcel.last_event_at <= at:
        return ShipmentStatus.RETURNED
    return ShipmentStatus.MOVING


def _reviews(ids: Sequence[int]) -> Reader:
    rows: defaultdict[int, list[tuple[datetime, str]]] = defaultdict(list)
    for order_id, at, rule in HoldReview.objects.filter(order_id__in=ids).values_list(
        "order_id", "opened_at", "rule"
    ):
        rows[order_id].append((at, rule))

    def values(fact: RuleFact, _order: Order) -> Values:
        return {"risk_reviews": sorted({rule for at, rule in rows[fact.order_id] if at <= fact.at})}

    return values


def _tags(ids: Sequence[int]) -> Reader:
    rows: defaultdict[int, list[tuple[datetime, str]]] = defaultdict(list)
    for order_id, at, name in OrderTag.objects.filter(order_id__in=ids).values_list(
        "order_id", "created_at", "name"
    ):
        rows[order_id].append((at, name))

    def values(fact: RuleFact, _order: Order) -> Values:
        return {"tags": sorted(name for at, name in rows[fact.order_id] if at <= fact.at)}

    return values


def _fact(_ids: Iterable[int]) -> Reader:
    return lambda fact, _order: {"case_kind": fact.case_kind or None}


_READERS: Mapping[Part, Callable[[Sequence[int]], Reader]] = {
    Part.ORDER: _order,
    Part.LINES: _lines,
    Part.HISTORY: _history,
    Part.PAYMENTS: _payments,
    Part.REFUNDS: _refunds,
    Part.PARCELS: _parcels,
    Part.REVIEWS: _reviews,
    Part.TAGS: _tags,
    Part.FACT: _fact,
}
