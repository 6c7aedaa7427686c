"""When a rule looks: events of the flow about an order, and schedules over a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# Happen once to an order; the others may come again and are told apart by their time.
ONCE = frozenset({"order.created", "order.paid", "order.shipped", "order.completed", "order.refunded"})
# Events about a case or parcel: what names the fact is that row.
OF_CASES = frozenset({"payment.exception_raised", "shipment.exception_raised"})
OF_PARCELS = frozenset(
    {
        "shipment.shipped",
        "shipment.moved",
        "shipment.out_for_delivery",
        "shipment.ready_for_pickup",
        "shipment.delivered",
    }
)
EVENTS: Mapping[str, Promise] = {
    "order.created": _("an order was placed"),
    "order.paid": _("a payment succeeded: the order is paid"),
    "order.stopped": _("an order was held, or its refund requested, before it left"),
    "order.released": _("a held order may ship again"),
    "order.shipped": _("an order has left completely"),
    "shipment.shipped": _("a parcel has left the warehouse"),
    "shipment.moved": _("a parcel is on its way: its carrier has told of it"),
    "shipment.out_for_delivery": _("a parcel is out for delivery, the first time"),
    "shipment.ready_for_pickup": _("a parcel waits to be picked up, the first time"),
    "shipment.delivered": _("a parcel was signed for"),
    "order.completed": _("an order was completed"),
    "order.closed": _("an order was closed unpaid"),
    "order.revived": _("a closed order was revived"),
    "order.partly_refunded": _("an order was refunded in part"),
    "order.refunded": _("an order was refunded in full"),
    "payment.exception_raised": _("a case about a payment was opened"),
    "shipment.exception_raised": _("a case about a parcel was opened (stalled, returned …)"),
}


@dataclass(frozen=True, slots=True)
class RuleSchedule:
    """A query that the clock asks: orders in `status` whose `since` column is older than the rule's hours."""

    key: str
    label: str | Promise
    status: str
    since: str


SCHEDULES: Mapping[str, RuleSchedule] = {
    one.key: one
    for one in (
        RuleSchedule("clock.unpaid", _("not paid after so many hours"), "pending", "created_at"),
        RuleSchedule("clock.unshipped", _("paid, and not shipped after so many hours"), "paid", "paid_at"),
        RuleSchedule(
            "clock.uncompleted", _("shipped, and not completed after so many hours"), "shipped", "shipped_at"
        ),
    )
}
MOST_HOURS = 24 * 60


def label_of(trigger: str) -> str:
    """When a rule looks, in the reader's language."""
    if trigger in SCHEDULES:
        return str(SCHEDULES[trigger].label)
    return str(EVENTS.get(trigger, trigger))
