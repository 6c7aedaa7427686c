"""What the flow's events make known to buyers. Each handler takes a batch and costs a constant number of statements."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from django.db.models import Exists, OuterRef

from logistics.models import Shipment, ShipmentException
from orders.models import Order
from ordersite.messaging.compose import FactToTell, fact_key, queue, subject_of
from ordersite.messaging.models import MessageAccount, MessageEvent
from ordersite.queue.relay import Answer, Delivered, OnDemand

Kind = ShipmentException.Kind
# What a buyer is told of a stalled parcel. That a carrier's interface is silent says nothing about the parcel.
_STALLED = frozenset({Kind.NO_NEWS.value, Kind.NOT_SIGNED.value, Kind.FAILED_DELIVERIES.value})
_WRITES = Exists(MessageAccount.objects.filter(merchant=OuterRef("merchant"), is_active=True))


def tell_of_orders(event: MessageEvent, deliveries: Sequence[Delivered]) -> Sequence[Answer]:
    """Queue a message for each order that these events are about."""
    ids = {one.subject_id for one in deliveries}
    orders = Order.objects.filter(_WRITES, pk__in=ids).select_related("buyer", "merchant").order_by("pk")
    _queue([FactToTell(order, event, fact_key(order, event, subject_of(order, event))) for order in orders])
    return [None] * len(deliveries)


def tell_of_parcels(event: MessageEvent, deliveries: Sequence[Delivered]) -> Sequence[Answer]:
    """Queue a message for each parcel that these events are about."""
    _queue(_of_parcels(event, {one.subject_id for one in deliveries}))
    return [None] * len(deliveries)


def tell_of_stalled(deliveries: Sequence[Delivered]) -> Sequence[Answer]:
    """Queue a message for each parcel of a case that buyers are told of: once, whatever follows."""
    stalled = {one.payload.get("shipment") for one in deliveries if one.payload.get("kind") in _STALLED}
    _queue(_of_parcels(MessageEvent.STALLED, {pk for pk in stalled if isinstance(pk, int)}))
    return [None] * len(deliveries)


def _of_parcels(event: MessageEvent, ids: set[int]) -> list[FactToTell]:
    if not ids:
        return []
    rows = Shipment.objects.filter(_WRITES, pk__in=ids).select_related("order__buyer", "order__merchant")
    return [
        FactToTell(row.order, event, fact_key(row.order, event, row.pk), row.pk)
        for row in rows.order_by("pk")
    ]


def _queue(facts: Sequence[FactToTell]) -> None:
    if facts:
        queue(facts)


def has_accounts() -> bool:
    """Whether any shop has an account that messages leave through."""
    return MessageAccount.objects.filter(is_active=True).exists()


def order_message(event: MessageEvent) -> OnDemand:
    """Return the handler that tells buyers of what happened to their orders."""
    return OnDemand(partial(tell_of_orders, event), has_accounts)


def parcel_message(event: MessageEvent) -> OnDemand:
    """Return the handler that tells buyers of what happened to their parcels."""
    return OnDemand(partial(tell_of_parcels, event), has_accounts)


STALLED_MESSAGE = OnDemand(tell_of_stalled, has_accounts)
