"""The facts of the past that a version would have looked at, the oldest first, as far as the history proves them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import Exists, OuterRef, Q

from logistics.carriers.types import TrackingStatus
from logistics.models import Shipment, ShipmentException, TrackingEvent
from orders.models import Order, OrderEvent, OrderStatus
from ordersite.automation.catalogue.triggers import OF_CASES, OF_PARCELS, SCHEDULES
from ordersite.automation.engine.scheduled import fact_of
from ordersite.automation.models import RuleVersion
from ordersite.automation.past.replayed import REPLAYED, replayed
from ordersite.automation.snapshots.facts import RuleFact, order_key, row_key
from ordersite.automation.snapshots.read import read
from ordersite.lib.models.by_time import first_since
from payments.models import PaymentException

Kind = OrderEvent.EventKind
MOST = 20_000
# A parcel that was signed for in the span has left at most so long before it.
_LONGEST_WAY = timedelta(days=60)
_MOVED = Q(kind=Kind.TRANSITION)
_LINES: Mapping[str, Q] = {
    "order.created": Q(kind=Kind.CREATED),
    "order.paid": _MOVED & Q(to_status=OrderStatus.PAID) & ~Q(from_status=OrderStatus.CLOSED),
    "order.revived": _MOVED & Q(to_status=OrderStatus.PAID, from_status=OrderStatus.CLOSED),
    "order.shipped": _MOVED & Q(to_status=OrderStatus.SHIPPED),
    "order.completed": _MOVED & Q(to_status=OrderStatus.COMPLETED),
    "order.closed": _MOVED & Q(to_status=OrderStatus.CLOSED),
    "order.refunded": _MOVED & Q(to_status=OrderStatus.REFUNDED),
}
_BEGAN: Mapping[str, Q] = {
    "pending": _LINES["order.created"],
    "paid": _MOVED & Q(to_status=OrderStatus.PAID),
    "shipped": _LINES["order.shipped"],
}

# The column of a parcel that says when it happened.
_TIMES: Mapping[str, str] = {"shipment.shipped": "created_at", "shipment.delivered": "delivered_at"}
# The tracking events that prove what happened on the way.
_WAY: Mapping[str, tuple[TrackingStatus, ...]] = {
    "shipment.moved": (
        TrackingStatus.PICKED_UP,
        TrackingStatus.IN_TRANSIT,
        TrackingStatus.OUT_FOR_DELIVERY,
        TrackingStatus.READY_FOR_PICKUP,
    ),
    "shipment.out_for_delivery": (TrackingStatus.OUT_FOR_DELIVERY,),
    "shipment.ready_for_pickup": (TrackingStatus.READY_FOR_PICKUP,),
}


@dataclass(frozen=True, slots=True)
class PastFacts:
    """`is_cut`: there were more, and only the newest are here."""

    facts: Sequence[RuleFact]
    is_cut: bool


def past_facts(version: RuleVersion, since: datetime, until: datetime, *, most: int = MOST) -> PastFacts:
    """The facts of a version's trigger from `since` until before `until` (UTC), in its shop or in all."""
    found = list(islice(_newest(version, since, until), most + 1))
    kept = {fact.key: fact for fact in reversed(found[:most])}
    return PastFacts(list(kept.values()), len(found) > most)


def _newest(version: RuleVersion, since: datetime, until: datetime) -> Iterator[RuleFact]:
    """The newest first."""
    if version.trigger in SCHEDULES:
        return _scheduled(version, since, until)
    if version.trigger in REPLAYED:
        return _replayed(version, since, until)
    if version.trigger in OF_CASES:
        return _cases(version, since, until)
    if version.trigger in _WAY:
        return _on_the_way(version, since, until)
    if version.trigger in OF_PARCELS:
        return _parcels(version, since, until)
    return _lines(version, since, until)


def _lines_of(
    version: RuleVersion, of_kind: Q, since: datetime, until: datetime
) -> Iterator[tuple[int, datetime]]:
    """Order and time of history lines, the newest first."""
    first = first_since(OrderEvent.objects.all(), "recorded_at", since)
    rows = OrderEvent.objects.filter(of_kind, pk__gte=first, recorded_at__gte=since, recorded_at__lt=until)
    if version.merchant_id:
        rows = rows.filter(order__merchant_id=version.merchant_id)
    yield from rows.order_by("-pk").values_list("order_id", "recorded_at").iterator(2_000)


def _lines(version: RuleVersion, since: datetime, until: datetime) -> Iterator[RuleFact]:
    event = version.trigger
    for order_id, at in _lines_of(version, _LINES[event], since, until):
        yield RuleFact(order_key(event, order_id, at), event, order_id, at)


def _replayed(version: RuleVersion, since: datetime, until: datetime) -> Iterator[RuleFact]:
    event = version.trigger
    lines = islice(_lines_of(version, Q(kind__in=REPLAYED[event]), since, until), MOST + 1)
    found = [
        RuleFact(order_key(event, order_id, at), event, order_id, at)
        for name, order_id, at in replayed({order_id for order_id, _at in lines})
        if name == event and since <= at < until
    ]
    yield from sorted(found, key=lambda fact: fact.at, reverse=True)


def _cases(version: RuleVersion, since: datetime, until: datetime) -> Iterator[RuleFact]:
    event = version.trigger
    model = PaymentException if event == "payment.exception_raised" else ShipmentException
    rows = model._default_manager.filter(
        pk__gte=first_since(model._default_manager.all(), "created_at", since),
        order__isnull=False,
        created_at__gte=since,
        created_at__lt=until,
    )
    for pk, order_id, at, kind in rows.order_by("-pk").values_list("pk", "order_id", "created_at", "kind"):
        yield RuleFact(row_key(event, pk), event, order_id, at, kind)


def _parcels(version: RuleVersion, since: datetime, until: datetime) -> Iterator[RuleFact]:
    event, column = version.trigger, _TIMES[version.trigger]
    first = first_since(Shipment.objects.all(), "created_at", since - _LONGEST_WAY)
    rows = Shipment.objects.of_merchant(version.merchant_id).filter(
        Q(**{f"{column}__gte": since, f"{column}__lt": until}), pk__gte=first
    )
    for pk, order_id, at in rows.order_by(f"-{column}").values_list("pk", "order_id", column):
        if at is not None:
            yield RuleFact(row_key(event, pk), event, order_id, at)


def _on_the_way(version: RuleVersion, since: datetime, until: datetime) -> Iterator[RuleFact]:
    """A parcel's first tracking event of the kind, at the moment at which it was received."""
    event, states = version.trigger, _WAY[version.trigger]
    same = TrackingEvent.objects.filter(
        shipment=OuterRef("shipment"), status__in=states, pk__lt=OuterRef("pk")
    )
    rows = TrackingEvent.objects.filter(
        ~Exists(same),
        pk__gte=first_since(TrackingEvent.objects.all(), "received_at", since),
        received_at__gte=since,
        received_at__lt=until,
        status__in=states,
    )
    if version.merchant_id:
        rows = rows.filter(shipment__merchant_id=version.merchant_id)
    for pk, order_id, at in rows.order_by("-pk").values_list("shipment", "shipment__order", "received_at"):
        yield RuleFact(row_key(event, pk), event, order_id, at)


def _scheduled(version: RuleVersion, since: datetime, until: datetime) -> Iterator[RuleFact]:
    """The orders that were due in the span, each at the moment at which it became due, if it was in the state then."""
    schedule, wait = SCHEDULES[version.trigger], timedelta(hours=version.hours or 0)
    # The line may be written a little after what it is about: a provider's time of payment, a late confirmation.
    lines = _lines_of(
        version, _BEGAN[schedule.status], since - wait - timedelta(days=2), until - wait + timedelta(days=2)
    )
    ids = list(dict.fromkeys(order_id for order_id, _at in islice(lines, MOST + 1)))
    began = Order.objects.filter(pk__in=ids).values_list("pk", schedule.since)
    facts = [
        fact_of(version, order_id, at, at=at + wait)
        for order_id, at in began
        if at is not None and since <= at + wait < until
    ]
    facts.sort(key=lambda fact: fact.at, reverse=True)
    for start in range(0, len(facts), 500):
        part = facts[start : start + 500]
        for fact, (_order, values) in zip(part, read(part, ["status"]), strict=True):
            if values.get("status") == schedule.status:
                yield fact
