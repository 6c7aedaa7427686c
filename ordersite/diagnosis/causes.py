"""The causes that a diagnosis names, by stable codes: who has to act, and which actions mend it.

What each looks like and what mends it stands in the documentation (`causes.md`), which a test compares with this table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# Who has to act.
NOBODY, AGENT, SUPERVISOR, OPERATIONS, WAREHOUSE, BUYER = (
    "nobody", "agent", "supervisor", "operations", "warehouse", "buyer",
)  # fmt: skip
WHO: Mapping[str, Promise] = {
    NOBODY: _("nobody: it is waited for"),
    AGENT: _("customer service"),
    SUPERVISOR: _("a second person"),
    OPERATIONS: _("operations"),
    WAREHOUSE: _("the warehouse"),
    BUYER: _("the buyer"),
}


@dataclass(frozen=True, slots=True)
class KnownCause:
    """`who` is a key of WHO; `actions` are codes of `ordersite.diagnosis.actions`, the best one first."""

    about: str
    who: str
    actions: Sequence[str] = ()


def _about(about: str, causes: Mapping[str, tuple[str, Sequence[str]]]) -> dict[str, KnownCause]:
    return {code: KnownCause(about, who, actions) for code, (who, actions) in causes.items()}


CASE = ("open_case",)
CAUSES: Mapping[str, KnownCause] = {
    **_about("payment", {
        "no_payment_attempt": (BUYER, ("let_pay", "settle")),
        "buyer_has_not_paid": (BUYER, ("query_provider", "let_pay", "settle")),
        "closing_at_provider": (NOBODY, ("query_provider",)),
        "provider_unreachable": (OPERATIONS, ("query_provider", "settle")),
        "provider_account_unusable": (OPERATIONS, ("open_account", "query_provider")),
        "notification_rejected": (OPERATIONS, ("query_provider", "open_notification", "open_account")),
        "notification_died_at_proxy": (OPERATIONS, ("query_provider", "open_lost_calls")),
        "notification_waiting": (OPERATIONS, ("query_provider", "open_notification")),
        "notification_parked": (OPERATIONS, ("replay_notification", "open_case")),
        "amount_mismatch": (AGENT, ("open_case", "settle")),
        "wrong_account": (OPERATIONS, ("open_case", "replay_notification")),
        "reference_conflict": (AGENT, ("open_case", "settle")),
        "unknown_reference": (AGENT, ("open_case", "settle")),
        "already_paid": (AGENT, CASE),
        "paid_after_close": (AGENT, CASE),
        "order_closed": (AGENT, ("query_provider",)),
        "trigger_off": (SUPERVISOR, ("open_machine", "open_case")),
        "settlement_waits": (SUPERVISOR, ("open_settlement",)),
        "statement_shows_money": (AGENT, ("open_case", "settle")),
        "statement_difference": (AGENT, CASE),
        "refund_under_way": (NOBODY, ("open_refunds",)),
        "refund_trouble": (AGENT, CASE),
        "refund_event": (AGENT, CASE),
        "reversed": (AGENT, CASE),
        "unclear": (OPERATIONS, CASE),
    }),
    **_about("shipping", {
        "held": (SUPERVISOR, ("release", "open_reviews")),
        "not_dispatched": (AGENT, ("instruct",)),
        "dispatch_unanswered": (WAREHOUSE, ("open_dispatch", "instruct")),
        "dispatch_refused": (AGENT, ("open_dispatch", "instruct")),
        "out_of_stock": (AGENT, ("instruct", "open_dispatch")),
        "not_shipped": (WAREHOUSE, ("open_dispatch", "order_waybill")),
        "waybill_unknown": (NOBODY, ("open_waybills",)),
        "waybill_refused": (AGENT, ("open_waybills", "order_waybill")),
        "number_missing": (WAREHOUSE, ("open_waybills",)),
    }),
    **_about("tracking", {
        "carrier_account_missing": (OPERATIONS, ("open_carrier_accounts",)),
        "carrier_account_unusable": (OPERATIONS, ("open_carrier_accounts", "refresh")),
        "carrier_unreachable": (NOBODY, ("refresh", "open_carrier_calls")),
        "carrier_refuses": (AGENT, ("refresh", "open_carrier_calls")),
        "carrier_knows_nothing": (WAREHOUSE, ("refresh", "open_parcels")),
        "not_polled": (OPERATIONS, ("refresh", "open_carrier_accounts")),
        "push_refused": (OPERATIONS, ("open_carrier_accounts", "refresh")),
        "parcel_stalled": (AGENT, ("refresh", "open_parcels")),
        "parcel_problem": (AGENT, ("refresh", "open_parcels")),
        "waits_for_pickup": (BUYER, ("refresh", "open_parcels")),
        "parcel_returned": (AGENT, ("open_parcels",)),
        "order_not_completed": (AGENT, ("open_parcels",)),
    }),
    **_about("messages", {
        "message_waiting": (NOBODY, ("open_messages",)),
        "message_blocked": (AGENT, ("open_messages",)),
        "message_failed": (AGENT, ("open_messages",)),
        "message_maybe_sent": (AGENT, ("open_messages",)),
        "no_channel": (OPERATIONS, ("open_message_accounts",)),
    }),
    "nothing_wrong": KnownCause("none", NOBODY),
}  # fmt: skip
NOTHING_WRONG = "nothing_wrong"
