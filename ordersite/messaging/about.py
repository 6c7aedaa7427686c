"""What messages contribute to the page of an order."""

from __future__ import annotations

from django.utils.translation import gettext as _

from orders.models import Order
from ordersite.lib.panels import Entry, Item, Panel
from ordersite.messaging.labels import channel_label, reason_text, state_text, tone_of
from ordersite.messaging.models import BuyerMessage, MessageResend

_PAGE = "admin:messaging_buyermessage_change"


def timeline(order: Order) -> list[Entry]:
    """The order's messages, and who had one sent again, oldest first. Two queries."""
    messages = list(BuyerMessage.objects.filter(order_id=order.pk).select_related("account").order_by("pk"))
    resends = MessageResend.objects.filter(message__order_id=order.pk).select_related("message", "by")
    entries = [_entry(message) for message in messages]
    entries += [_resend(one) for one in resends] if messages else []
    return sorted(entries, key=lambda entry: entry.at)


def panel(order: Order) -> Panel | None:
    """What became of each message to the buyer; None where there is none. One query."""
    messages = BuyerMessage.objects.filter(order_id=order.pk).select_related("account", "template")
    items = [_item(message) for message in messages.order_by("pk")]
    return Panel(_("Messages to the buyer"), items) if items else None


def _item(message: BuyerMessage) -> Item:
    facts = [
        (_("channel"), channel_label(message.account.channel) if message.account else ""),
        (_("recipient"), message.recipient),
        (_("reason"), reason_text(message.reason)),
        (_("the vendor's report"), message.delivery_words),
    ]
    return Item(
        title=str(message.template or message.get_event_display()),
        facts=[(name, value) for name, value in facts if value],
        state=state_text(message),
        tone=tone_of(message),
        url_name=_PAGE,
        url_id=message.pk,
    )


def _entry(message: BuyerMessage) -> Entry:
    channel = channel_label(message.account.channel) if message.account else ""
    parts = (channel, message.recipient, state_text(message), reason_text(message.reason))
    return Entry(
        at=message.settled_at or message.last_try_at or message.created_at,
        topic="message",
        title=_("Message: %(event)s") % {"event": message.get_event_display()},
        detail=" · ".join(filter(None, parts)),
        tone=tone_of(message),
        url_name=_PAGE,
        url_id=message.pk,
    )


def _resend(one: MessageResend) -> Entry:
    return Entry(
        at=one.at,
        topic="people",
        title=_("Message sent again: %(event)s") % {"event": one.message.get_event_display()},
        detail=f"{one.by.get_username()} · {one.reason}",
        url_name=_PAGE,
        url_id=one.message_id,
    )
