"""The events that receivers may choose, version 1 of the catalogue; docs/en/webhooks.md has an example of each.

Names and keys stay as they are: keys may be added, none is renamed or removed. What would break a receiver is a new event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.serializers import OrderView

VERSION = 1
# They cannot be chosen: of the test button, and of the automation rules whose action names the endpoint.
TEST = "webhook.test"
RULE_MATCHED = "rule.matched"


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event. `flow` is its name within this house, `meaning` a sentence for people.

    Its `data` is the order as the API shows it; with `has_shipment` also a `shipment`: which parcel it is about.
    """

    name: str
    flow: str
    label: Promise
    meaning: Promise
    has_shipment: bool = False

    @property
    def data_keys(self) -> tuple[str, ...]:
        """The keys of `data`, in their order."""
        return (*OrderView().fields, "shipment") if self.has_shipment else tuple(OrderView().fields)


EVENTS: tuple[EventType, ...] = (
    EventType(
        "order.created",
        "order.created",
        pgettext_lazy("event", "Order created"),
        _("The order is on record."),
    ),
    EventType("order.paid", "order.paid", pgettext_lazy("event", "Order paid"), _("Its money has arrived.")),
    EventType(
        "order.shipped",
        "order.shipped",
        pgettext_lazy("event", "Order shipped"),
        _("All that is to be sent has left the warehouse."),
    ),
    EventType(
        "order.completed",
        "order.completed",
        pgettext_lazy("event", "Order completed"),
        _("All of its parcels were signed for."),
    ),
    EventType(
        "order.closed",
        "order.closed",
        pgettext_lazy("event", "Order closed"),
        _("It was not paid in time, or cancelled."),
    ),
    EventType(
        "order.revived",
        "order.revived",
        pgettext_lazy("event", "Order revived"),
        _("It was closed, and is paid now: the money arrived late."),
    ),
    EventType(
        "order.held",
        "order.stopped",
        pgettext_lazy("event", "Order held"),
        _("It is paid, and must not be shipped: held for a review, or a refund is under way."),
    ),
    EventType(
        "order.released",
        "order.released",
        pgettext_lazy("event", "Order released"),
        _("It may be shipped again."),
    ),
    EventType(
        "order.refunded",
        "order.refunded",
        pgettext_lazy("event", "Order refunded"),
        _("The provider has confirmed that all of the money went back."),
    ),
    EventType(
        "order.partly_refunded",
        "order.partly_refunded",
        pgettext_lazy("event", "Order partly refunded"),
        _("The provider has confirmed that a part of the money went back."),
    ),
    EventType(
        "shipment.delivered",
        "shipment.delivered",
        pgettext_lazy("event", "Parcel signed for"),
        _("A parcel was signed for; `shipment` names it."),
        has_shipment=True,
    ),
)
_UNCHOSEN: Mapping[str, Promise] = {
    TEST: _("Test message"),
    RULE_MATCHED: pgettext_lazy("event", "A rule matched"),
}
BY_NAME: Mapping[str, EventType] = {one.name: one for one in EVENTS}
BY_FLOW: Mapping[str, EventType] = {one.flow: one for one in EVENTS}
# Whose subject is an order. That of the others is something of an order, which their payload names.
OF_ORDERS: tuple[str, ...] = tuple(one.flow for one in EVENTS if not one.has_shipment)


def handler_key(flow: str) -> str:
    """The key of this event's handler in the flow."""
    return f"merchant_webhooks.{flow.replace('.', '_')}"


def label_of(name: str) -> str:
    """The event in the reader's words; an event of a later version by its name."""
    if name in _UNCHOSEN:
        return str(_UNCHOSEN[name])
    return str(BY_NAME[name].label) if name in BY_NAME else name
