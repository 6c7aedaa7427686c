"""The actions that a diagnosis offers: where each is done in the back office, and the right that it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib.auth.models import AnonymousUser, User
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from orders.models import Order
from ordersite.diagnosis.causes import CAUSES


@dataclass(frozen=True, slots=True)
class Remedy:
    """`page` is an admin URL name; with `of_order` its list is searched by the order's number, `do` is the order's own
    action of that code. Without a page it is only words. `permission` is what the person needs to do it.
    """

    text: Promise
    page: str = ""
    permission: str = ""
    do: str = ""
    of_order: bool = True


ACTIONS: Mapping[str, Remedy] = {
    "let_pay": Remedy(_("Send the buyer the payment page: the tracking page leads there")),
    "settle": Remedy(
        _("Propose a manual settlement"),
        "payments_settlementrequest_add",
        "payments.propose_settlementrequest",
    ),
    "query_provider": Remedy(
        _("Query the provider"), "payments_payment_changelist", "payments.replay_paymentnotification"
    ),
    "open_notification": Remedy(
        _("See the notifications"),
        "payments_paymentnotification_changelist",
        "payments.view_paymentnotification",
    ),
    "replay_notification": Remedy(
        _("Replay the notification"),
        "payments_paymentnotification_changelist",
        "payments.replay_paymentnotification",
    ),
    "open_account": Remedy(
        _("See the payment account"),
        "payments_paymentaccount_changelist",
        "payments.view_paymentaccount",
        of_order=False,
    ),
    "open_lost_calls": Remedy(
        _("See the calls lost at the proxy"),
        "payments_deadcall_changelist",
        "payments.view_deadcall",
        of_order=False,
    ),
    "open_case": Remedy(
        _("Work on the payment exception"),
        "payments_paymentexception_changelist",
        "payments.view_paymentexception",
    ),
    "open_settlement": Remedy(
        _("See the settlement that waits"),
        "payments_settlementrequest_changelist",
        "payments.view_settlementrequest",
    ),
    "open_refunds": Remedy(
        _("See the refund"), "payments_refundrequest_changelist", "payments.view_refundrequest"
    ),
    "open_machine": Remedy(
        _("See the rules of the state machine"),
        "orders_transitionrule_changelist",
        "orders.view_transitionrule",
        of_order=False,
    ),
    "release": Remedy(_("Release the order"), "orders_order_do", "orders.hold_order", do="release"),
    "open_reviews": Remedy(_("See the review"), "orders_holdreview_changelist", "orders.view_holdreview"),
    "instruct": Remedy(
        _("Instruct a warehouse"), "orders_order_do", "logistics.manage_dispatch", do="dispatch"
    ),
    "open_dispatch": Remedy(
        _("See the instructions"), "logistics_dispatch_changelist", "logistics.view_dispatch"
    ),
    "order_waybill": Remedy(_("Order a waybill"), "orders_order_do", "logistics.order_waybill", do="waybill"),
    "open_waybills": Remedy(
        _("See the waybills"), "logistics_waybillorder_changelist", "logistics.view_waybillorder"
    ),
    "open_parcels": Remedy(_("See the parcels"), "logistics_shipment_changelist", "logistics.view_shipment"),
    "refresh": Remedy(
        _("Poll the parcel now"), "logistics_shipment_changelist", "logistics.resolve_shipmentexception"
    ),
    "open_carrier_accounts": Remedy(
        _("See the carrier accounts"),
        "logistics_carrieraccount_changelist",
        "logistics.view_carrieraccount",
        of_order=False,
    ),
    "open_carrier_calls": Remedy(
        _("See the calls to carriers"),
        "logistics_carriercall_changelist",
        "logistics.view_carriercall",
        of_order=False,
    ),
    "open_messages": Remedy(
        _("See the messages and send one again"),
        "messaging_buyermessage_changelist",
        "messaging.view_buyermessage",
    ),
    "open_message_accounts": Remedy(
        _("See the message accounts"),
        "messaging_messageaccount_changelist",
        "messaging.view_messageaccount",
        of_order=False,
    ),
}


@dataclass(frozen=True, slots=True)
class Offered:
    """An action for one order: `url` is empty where it is only words, or where the person may not do it."""

    code: str
    text: str
    url: str = ""


def actions_for(
    code: str, order: Order | None, user: User | AnonymousUser | None = None
) -> Sequence[Offered]:
    """What mends this cause, best first. With a person: only what that person may do."""
    codes = CAUSES[code].actions if code in CAUSES else ()
    return [_offered(one, order) for one in codes if user is None or _may(user, ACTIONS[one])]


def _may(user: User | AnonymousUser, action: Remedy) -> bool:
    return not action.permission or user.has_perm(action.permission)


def _offered(code: str, order: Order | None) -> Offered:
    action = ACTIONS[code]
    return Offered(code, str(action.text), _address(action, order) if action.page else "")


def _address(action: Remedy, order: Order | None) -> str:
    if order is None:
        return "" if action.do or action.page.endswith("_add") else reverse(f"admin:{action.page}")
    if action.do:
        return reverse(f"admin:{action.page}", args=[order.pk, action.do])
    if action.page.endswith("_add"):
        return f"{reverse(f'admin:{action.page}')}?{urlencode({'order': order.number})}"
    search = f"?{urlencode({'q': order.number})}" if action.of_order else ""
    return reverse(f"admin:{action.page}") + search
