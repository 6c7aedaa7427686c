"""Labels of actions, triggers and actors. Their codes stand in the history and never change."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from orders.actions import Action

# A reason that the product itself gives for a hold: stored in English, shown in the reader's language.
REFUNDED_AT_PROVIDER = gettext_noop("paid and refunded at the provider")
_OWN_REASONS = frozenset({REFUNDED_AT_PROVIDER})
# The codes of the rules that hold an order: the code is stored, the label is shown.
SUSPECTED_BRUSHING = "suspected_brushing"
HOLD_REASONS: Mapping[str, Promise] = {SUSPECTED_BRUSHING: _("suspected brushing")}

ACTIONS: Mapping[str, Promise] = {
    Action.PAY: _("pay"),
    Action.SHIP: _("ship"),
    Action.COMPLETE: _("complete"),
    Action.CLOSE: _("close"),
    Action.REVIVE: _("revive"),
    Action.REFUND: _("refund"),
}
# The triggers of the state machine and of the history lines that change no state.
TRIGGERS: Mapping[str, Promise] = {
    "api": _("through the API"),
    "checkout": _("at the checkout"),
    "demo": _("demonstration data"),
    "notification": _("the provider's notification"),
    "query": _("the provider's answer"),
    "statement": _("a statement line"),
    "manual": _("an approved manual settlement"),
    "warehouse": _("the warehouse's confirmation"),
    "carrier": _("the carrier's signed-for event"),
    "timeout": _("the payment timeout"),
    "buyer_cancel": _("the buyer's wish"),
    "staff_cancel": _("a member of staff"),
    "late_payment": _("an approved late payment"),
    "refund_confirmed": _("the provider's refund confirmation"),
    "refund_requested": _("a refund request"),
    "refund_ended": _("the end of a refund request"),
    "refund_approved": _("a refund approved by a second person"),
    "refund_within_limit": _("a refund within the proposer's own limit"),
    "refund_by_rule": _("a refund by the merchant's rule"),
    "refund_approved_alone": _("a refund approved by its proposer alone"),
    "hold": _("a hold"),
    "release": _("a release"),
    "release_proposed": _("the order's release was proposed"),
    "release_approved": _("the order's release was approved"),
    "release_refused": _("the order's release was refused"),
    "release_withdrawn": _("the order's release was withdrawn"),
    "settlement_proposed": _("a manual settlement was proposed"),
    "settlement_approved": _("a manual settlement was approved"),
    "settlement_refused": _("a manual settlement was refused"),
    "settlement_withdrawn": _("a manual settlement was withdrawn"),
    "revival_proposed": _("reviving the order was proposed"),
    "revival_approved": _("reviving the order was approved"),
    "revival_refused": _("reviving the order was refused"),
    "revival_withdrawn": _("reviving the order was withdrawn"),
    "case_resolved": _("an exception was resolved"),
    "waybill_number_changed": _("a changed waybill number"),
    "waybill_cancelled": _("the carrier cancelled a parcel's waybill"),
    "waybill_not_cancelled": _("the carrier did not cancel a parcel's waybill"),
    "signature_decided": _("a person decided whose signature it was"),
    "dispatch_rerouted": _("a person had the goods routed again"),
    "dispatch_moved": _("a person chose another warehouse"),
    "dispatch_cancelled": _("a person took the warehouse's instruction back"),
    "payment_surplus": _("another payment has paid the order"),
    "rule_note": _("a note of an automation rule"),
    "tag_added": _("a person put a tag on the order"),
    "tag_removed": _("a person took a tag off the order"),
}
ACTORS: Mapping[str, Promise] = {
    "provider": _("payment provider"),
    "staff": _("staff"),
    "buyer": _("buyer"),
    "warehouse": _("warehouse"),
    "carrier": _("carrier"),
    "client": _("API client"),
    "rule": _("automation rule"),
    "system": _("system"),
}
# Notes that the product writes into histories and cases by itself: stored in English.
NOTES: Mapping[str, Promise] = {
    "refunded in full": _("refunded in full"),
    "replayed": _("replayed"),
    "the same trade has paid the order, with the right amount and account": _(
        "the same trade has paid the order, with the right amount and account"
    ),
    "the provider has answered": _("the provider has answered"),
    "another payment has paid the order, and this money has a case of its own": _(
        "another payment has paid the order, and this money has a case of its own"
    ),
    "completed after all": _("completed after all"),
    "enough on the shelf again": _("enough on the shelf again"),
    "sent after all": _("sent after all"),
    "nothing of the order is to be sent any more": _("nothing of the order is to be sent any more"),
    "the warehouse has confirmed a parcel": _("the warehouse has confirmed a parcel"),
    "the instruction has ended": _("the instruction has ended"),
    "the warehouse knows of the cancellation": _("the warehouse knows of the cancellation"),
    "a person has seen to it": _("a person has seen to it"),
    "the parcel has arrived": _("the parcel has arrived"),
    "the carrier reports again": _("the carrier reports again"),
    "the parcel has moved on": _("the parcel has moved on"),
    "the parcel came back": _("the parcel came back"),
    "nothing stops the order any more": _("nothing stops the order any more"),
    "the account answers again": _("the account answers again"),
    "the carrier has answered": _("the carrier has answered"),
    "cancelled at the carrier": _("cancelled at the carrier"),
    "the number is known": _("the number is known"),
    "every pushed number is known now": _("every pushed number is known now"),
    "no parcel waits for this account any more": _("no parcel waits for this account any more"),
}


def reason_label(reason: str) -> str:
    """Translate a stored reason where it is the product's own; a person's words stay as they are."""
    if reason in HOLD_REASONS:
        return str(HOLD_REASONS[reason])
    return gettext(reason) if reason in _OWN_REASONS else reason


def note_label(note: str) -> str:
    """Translate a stored note where it is the product's own; what a person wrote stays as it is."""
    return str(NOTES[note]) if note in NOTES else reason_label(note)
