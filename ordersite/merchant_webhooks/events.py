"""Makes messages of the flow's events, for merchants whose endpoints have chosen them.

A message says what the order is when its event is handled, as the API would show it at that moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from orders.models import Order
from ordersite.api.composed import compose
from ordersite.merchant_webhooks.catalogue import BY_FLOW, EventType
from ordersite.merchant_webhooks.models import WebhookEndpoint
from ordersite.merchant_webhooks.queue import NewMessage, queue_messages
from ordersite.queue.relay import Answer, Delivered

# endpoint ids by merchant and event name
Wanted = Mapping[tuple[int, str], Sequence[int]]


def are_wanted() -> bool:
    """Whether there is any endpoint at all: without one the relay makes no deliveries for webhooks."""
    return WebhookEndpoint.objects.listening().exists()


def handle_event(events: Sequence[Delivered]) -> Sequence[Answer]:
    """Queue a message for each event that an endpoint has chosen, with a fixed number of statements."""
    about = Order.objects.filter(pk__in={_order_of(one) for one in events})
    wanted = _wanted(about)
    if wanted:
        known = about.filter(merchant_id__in={merchant for merchant, _name in wanted})
        orders = {order.pk: order for order in known.select_related("buyer")}
        chosen = [one for one in events if _is_chosen(one, orders, wanted)]
        shown = _shown([orders[pk] for pk in sorted({_order_of(one) for one in chosen})])
        queue_messages([_message(one, orders[_order_of(one)], shown, wanted) for one in chosen])
    return [None] * len(events)


def _wanted(orders: QuerySet[Order]) -> Wanted:
    """What the endpoints of these orders' merchants have chosen."""
    found = defaultdict(list)
    endpoints = WebhookEndpoint.objects.listening().filter(merchant_id__in=orders.values("merchant_id"))
    chosen = endpoints.order_by("pk").values_list("pk", "merchant_id", "events")
    for pk, merchant_id, names in chosen:
        for name in names:
            found[merchant_id, name].append(pk)
    return found


def _order_of(event: Delivered) -> int:
    """The order of an event: its subject, or what its payload names."""
    return int(event.payload["order"]) if BY_FLOW[event.name].has_shipment else event.subject_id


def _is_chosen(event: Delivered, orders: Mapping[int, Order], wanted: Wanted) -> bool:
    order = orders.get(_order_of(event))
    return order is not None and (order.merchant_id, BY_FLOW[event.name].name) in wanted


def _shown(orders: Sequence[Order]) -> dict[int, dict[str, Any]]:
    if not orders:
        return {}
    return {order.pk: data for order, data in zip(orders, compose(orders), strict=True)}


def _message(
    event: Delivered, order: Order, shown: Mapping[int, dict[str, Any]], wanted: Wanted
) -> NewMessage:
    kind = BY_FLOW[event.name]
    return NewMessage(
        merchant_id=order.merchant_id,
        name=kind.name,
        # The delivery's number: the same each time that this event is handled, and no other event's.
        key=f"event.{event.id}",
        data={**shown[order.pk], **_parcel(kind, event)},
        order_id=order.pk,
        happened_at=event.at,
        # A parcel's time is the carrier's, which says nothing about the order's own events.
        ordered_at=timezone.now() if kind.has_shipment else event.at,
        endpoint_ids=wanted[order.merchant_id, kind.name],
    )


def _parcel(kind: EventType, event: Delivered) -> dict[str, Any]:
    if not kind.has_shipment:
        return {}
    return {"shipment": {name: event.payload[name] for name in ("carrier", "tracking_number")}}
