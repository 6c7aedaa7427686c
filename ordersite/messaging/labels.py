"""The words for why a message was not sent, and how its state looks."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.messaging.models import BuyerMessage, MessageStatus
from ordersite.messaging.senders.registry import SENDERS
from ordersite.messaging.senders.types import SEND_ERRORS

_OURS: Mapping[str, str | Promise] = {
    "off": _("The shop does not tell this."),
    "outdated": _("It was no longer true when it was to be sent."),
    "too_late": _("It could not be sent for two days; it is no news any more."),
    "stopped": _("The address is on the stop list."),
    "no_address": _("The order has no address for this channel."),
    "no_channel": _("There is no message account that can send it."),
    "no_consent": _("The buyer has not agreed to a message of this kind."),
    "no_text": _("The shop has no text for it, or one that cannot be filled in."),
    "quiet_hours": _("It waits for the end of the quiet hours."),
    "cap": _("The buyer has had as many messages today as may be sent; it waits for the next day."),
    "doubt": _(
        "No answer came: it may have been sent. It goes out again, unless the vendor reports it before."
    ),
    "unknown": _("No answer came: it may have been sent. Send it again only if the buyer did not get it."),
}
TONES: Mapping[str, str] = {
    MessageStatus.QUEUED: "waiting",
    MessageStatus.IN_FLIGHT: "moving",
    MessageStatus.AWAITING_RETRY: "waiting",
    MessageStatus.SENT: "good",
    MessageStatus.FAILED: "bad",
    MessageStatus.SUPPRESSED: "plain",
}


def reason_text(code: str) -> str:
    """The sentence for a reason, in the reader's language; empty for none."""
    return str(_OURS.get(code) or SEND_ERRORS.get(code, code))


def channel_label(name: str) -> str:
    """The name of a channel, in the reader's language."""
    sender = SENDERS.get(name)
    return str(sender.label) if sender else name


def tone_of(message: BuyerMessage) -> str:
    """How the state of a message looks: one that its vendor could not deliver has failed."""
    return "bad" if message.is_delivered is False else TONES.get(str(message.status), "plain")


def state_text(message: BuyerMessage) -> str:
    """The state in words, with what the vendor reported and what may have happened twice."""
    parts = [str(message.get_status_display())]
    if message.is_delivered is not None:
        parts.append(str(_("delivered") if message.is_delivered else _("not delivered")))
    if message.is_uncertain:
        parts.append(str(_("may have been sent")))
    if message.may_be_twice:
        parts.append(str(_("may have been sent twice")))
    return " · ".join(parts)
