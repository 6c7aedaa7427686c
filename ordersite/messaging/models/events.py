"""What a message is about."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class MessageEvent(models.TextChoices):
    """The facts that messages tell. The values are those of account files; a rule's message has a text of its own."""

    CREATED = "order.created", pgettext_lazy("message", "order received")
    PAID = "order.paid", pgettext_lazy("message", "order paid")
    SHIPPED = "order.shipped", pgettext_lazy("message", "parcel sent")
    MOVING = "shipment.moving", pgettext_lazy("message", "parcel under way")
    OUT_FOR_DELIVERY = "shipment.out_for_delivery", pgettext_lazy("message", "out for delivery")
    READY_FOR_PICKUP = "shipment.ready_for_pickup", pgettext_lazy("message", "waits to be picked up")
    DELIVERED = "shipment.delivered", pgettext_lazy("message", "parcel signed for")
    STALLED = "shipment.stalled", pgettext_lazy("message", "parcel stalled")
    PARTLY_REFUNDED = "order.partly_refunded", pgettext_lazy("message", "order refunded in part")
    REFUNDED = "order.refunded", pgettext_lazy("message", "order refunded")
    CLOSED = "order.closed", pgettext_lazy("message", "order closed")
    RULE = "rule", pgettext_lazy("message", "by a rule")
    NOTICE = "staff.notice", _("notice to staff")


# What the shop may switch off one by one, in the order of an order's life.
OF_ORDERS = tuple(one for one in MessageEvent if one not in (MessageEvent.RULE, MessageEvent.NOTICE))
# The buyer has just acted and waits for the answer: quiet hours do not hold it up.
URGENT = frozenset({MessageEvent.CREATED, MessageEvent.PAID, MessageEvent.NOTICE})
# About one parcel, not the whole order.
OF_PARCELS = frozenset(
    {
        MessageEvent.SHIPPED,
        MessageEvent.MOVING,
        MessageEvent.OUT_FOR_DELIVERY,
        MessageEvent.READY_FOR_PICKUP,
        MessageEvent.DELIVERED,
        MessageEvent.STALLED,
    }
)
# The languages of the texts; the first is a new shop's.
CHINESE = "zh-hans"
LANGUAGES = [(CHINESE, "简体中文"), ("en", "English")]
