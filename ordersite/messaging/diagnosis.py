"""The last link of an order's chain: what became of the newest message about it."""

from __future__ import annotations

from django.utils.translation import gettext as _

from orders.models import Order
from ordersite.lib.panels import Link
from ordersite.messaging.labels import reason_text, state_text
from ordersite.messaging.models import BuyerMessage, MessageStatus

_BLOCKED = frozenset({"stopped", "no_address", "no_consent", "no_text"})
_CODES = {
    "no_channel": "no_channel",
    "unknown": "message_maybe_sent",
    **dict.fromkeys(_BLOCKED, "message_blocked"),
}
# A shop that keeps silent about something, or has nothing left to say, is no fault.
_MEANT = frozenset({"off", "outdated"})
_SEEN = 20


def explain(order: Order) -> list[Link]:
    """The link of the newest message, or of the newest that went wrong after which none was sent. One query."""
    newest = list(BuyerMessage.objects.filter(order_id=order.pk).order_by("-pk")[:_SEEN])
    shown = [one for one in newest if not (one.status == MessageStatus.SUPPRESSED and one.reason in _MEANT)]
    if not shown:
        return [Link("message", "not_applicable")]
    return [_link(shown[0])]


def _link(message: BuyerMessage) -> Link:
    at = message.settled_at or message.last_try_at or message.created_at
    evidence = f"#{message.pk}"
    what = f"{message.get_event_display()}: {state_text(message)}"
    cause = f"{what} · {reason_text(message.reason)}" if message.reason else what
    state, code = _state_and_code(message)
    return Link("message", state, at, evidence, code, cause if code else "", advice=_advice(code))


def _state_and_code(message: BuyerMessage) -> tuple[str, str]:
    if message.status == MessageStatus.SENT:
        if message.is_delivered is False:
            return "broken", "message_failed"
        return "good", ""  # where it may have been sent twice it has arrived all the same
    if message.next_try_at is not None:
        return "waiting", "message_waiting"
    code = "message_maybe_sent" if message.is_uncertain else _CODES.get(message.reason, "message_failed")
    return "broken", code


def _advice(code: str) -> str:
    words = {
        "message_failed": _("See the vendor's reason, put it right, then send the message again."),
        "message_maybe_sent": _("Ask the buyer whether it arrived; send it again only if it did not."),
        "message_blocked": _("Tell the buyer another way, or have the address and the consent put right."),
        "no_channel": _("Add a message account for the shop, or switch one on."),
    }
    return words.get(code, "")
