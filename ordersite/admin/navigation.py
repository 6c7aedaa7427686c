"""The navigation of the back office: the lists that this person may see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Place:
    """A list of the back office. `badge` names the function in `home` that counts the waiting rows."""

    title: str | Promise
    model: str
    icon: str
    badge: str = ""

    @property
    def url_name(self) -> str:
        return f"admin:{self.model.replace('.', '_')}_changelist"

    def is_open_to(self, request: HttpRequest) -> bool:
        app, model = self.model.split(".")
        return bool(request.user.has_perm(f"{app}.view_{model}"))


_COUNTS = "ordersite.admin.home"
GROUPS: tuple[tuple[str | Promise, tuple[Place, ...]], ...] = (
    (
        _("Orders"),
        (
            Place(_("Orders"), "orders.order", "receipt_long"),
            Place(_("Risk reviews"), "orders.holdreview", "gavel", f"{_COUNTS}.reviews_of_holds"),
            Place(_("Risk strategies"), "orders.riskstrategy", "policy"),
            Place(_("Intercepted attempts"), "orders.intercept", "filter_alt"),
            Place(_("State history"), "orders.orderevent", "history"),
            Place(_("Monitoring"), "orders.minutecount", "monitoring"),
            Place(_("Bulk jobs"), "bulk_jobs.bulkjob", "playlist_add_check"),
        ),
    ),
    (
        _("Payments"),
        (
            Place(
                _("Payment exceptions"),
                "payments.paymentexception",
                "error",
                f"{_COUNTS}.open_payment_exceptions",
            ),
            Place(
                _("Manual settlements"),
                "payments.settlementrequest",
                "add_card",
                f"{_COUNTS}.settlements_to_review",
            ),
            Place(_("Revivals"), "payments.revivalrequest", "restart_alt", f"{_COUNTS}.revivals_to_review"),
            Place(_("Payment notifications"), "payments.paymentnotification", "inbox"),
            Place(_("Payments"), "payments.payment", "payments"),
            Place(
                _("Refund requests"),
                "payments.refundrequest",
                "assignment_return",
                f"{_COUNTS}.refunds_to_approve",
            ),
            Place(_("Refunds"), "payments.refund", "undo"),
            Place(_("Statements"), "payments.statement", "difference"),
            Place(_("Statement lines"), "payments.statementline", "list_alt"),
            Place(_("Bills to fetch"), "payments.billfetch", "event_repeat"),
            Place(_("Statement mappings"), "payments.statementmapping", "table_chart"),
            Place(_("Payment accounts"), "payments.paymentaccount", "account_balance"),
            Place(_("Refused calls"), "payments.refusedcall", "block"),
            Place(_("Money limits"), "payments.moneylimit", "rule"),
        ),
    ),
    (
        _("Logistics"),
        (
            Place(
                _("Shipment exceptions"),
                "logistics.shipmentexception",
                "report",
                f"{_COUNTS}.open_shipment_exceptions",
            ),
            Place(_("Dispatch centre"), "logistics.dispatch", "hub"),
            Place(_("Shipments"), "logistics.shipment", "local_shipping"),
            Place(_("Waybills"), "logistics.waybillorder", "label"),
            Place(_("Warehouses"), "logistics.warehouse", "warehouse"),
            Place(_("Stock"), "logistics.stock", "inventory_2"),
            Place(_("Movements of stock"), "logistics.stockmovement", "swap_vert"),
            Place(_("Limits of stalled parcels"), "logistics.stallrule", "timer"),
            Place(_("Carrier accounts"), "logistics.carrieraccount", "key"),
            Place(_("Calls to carriers"), "logistics.carriercall", "swap_horiz"),
            Place(_("Carrier pushes"), "logistics.carriernotification", "move_to_inbox"),
        ),
    ),
    (
        _("Messages"),
        (
            Place(_("Messages to buyers"), "messaging.buyermessage", "mail"),
            Place(_("Message texts"), "messaging.messagetemplate", "edit_note"),
            Place(_("Message settings"), "messaging.messagesettings", "tune"),
            Place(_("Stop list"), "messaging.stoplistentry", "unsubscribe"),
            Place(_("Message accounts"), "messaging.messageaccount", "key"),
        ),
    ),
    (
        _("Automation"),
        (
            Place(_("Automation rules"), "automation.automationrule", "bolt"),
            Place(_("Runs of rules"), "automation.rulerun", "checklist"),
            Place(_("Dry runs"), "automation.dryrun", "science"),
            Place(_("Release requests"), "automation.releaserequest", "lock_open"),
        ),
    ),
    (
        _("Shops"),
        (
            Place(_("Merchants"), "orders.merchant", "storefront"),
            Place(_("API clients"), "orders.apiclient", "api"),
            Place(_("Webhook endpoints"), "merchant_webhooks.webhookendpoint", "webhook"),
            Place(_("Webhook deliveries"), "merchant_webhooks.webhookdelivery", "outgoing_mail"),
            Place(
                _("Changes"), "orders.changerequest", "published_with_changes", f"{_COUNTS}.changes_to_review"
            ),
        ),
    ),
    (
        _("Machine room"),
        (
            Place(_("Transition rules"), "orders.transitionrule", "account_tree"),
            Place(_("Limits of monitoring"), "orders.watchlimit", "speed"),
            Place(_("Alerts"), "health.alert", "notifications_active", f"{_COUNTS}.open_alerts"),
            Place(_("Deliveries"), "rails.delivery", "outbox"),
            Place(_("Audit"), "rails.auditentry", "fact_check"),
            Place(_("Staff actions"), "admin.logentry", "badge"),
            Place(_("Seals"), "orders.historyseal", "verified"),
            Place(_("Phone numbers looked at"), "orders.phonelook", "visibility"),
            Place(_("Failed log-ins"), "people.loginfailure", "lock_clock"),
            Place(_("Users"), "auth.user", "person"),
            Place(_("Roles"), "auth.group", "group"),
        ),
    ),
)


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Build the navigation groups for unfold. Groups without a permitted list are left out."""
    groups = (
        (title, [_item(place, request) for place in places if place.is_open_to(request)])
        for title, places in GROUPS
    )
    return [{"title": title, "separator": True, "items": items} for title, items in _filled(groups)]


def _filled(groups: Iterable[tuple[Any, list[dict[str, Any]]]]) -> Iterable[tuple[Any, list[dict[str, Any]]]]:
    return (pair for pair in groups if pair[1])


def _item(place: Place, request: HttpRequest) -> dict[str, Any]:
    """Build one entry. Its badge is computed here, because unfold would show NONE where nothing waits."""
    item = {"title": place.title, "icon": place.icon, "link": reverse(place.url_name)}
    waiting = import_string(place.badge)(request) if place.badge else None
    return {**item, "badge": waiting, "badge_variant": "danger"} if waiting else item
