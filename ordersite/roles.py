"""Roles as groups, made anew after every migrate; doing it again changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.apps.registry import Apps
from django.utils.translation import gettext_lazy as _

# What everybody who works with orders may see.
_LOOK = frozenset(
    {
        "orders.view_order", "orders.view_orderline", "orders.view_orderevent", "orders.view_merchant", "orders.view_buyer",
        "orders.view_holdreview",
        "orders.view_minutecount", "orders.view_watchlimit",
        "orders.view_intercept",
        "payments.view_payment", "payments.view_refund", "payments.view_paymentnotification", "payments.view_deadcall",
        "payments.view_paymentexception", "payments.view_refundrequest",
        "payments.view_statement", "payments.view_statementline", "payments.view_statementmapping",
        "payments.view_billfetch",
        "payments.view_settlementrequest", "payments.view_revivalrequest",
        "logistics.view_shipment", "logistics.view_shipmentline", "logistics.view_trackingevent",
        "logistics.view_shipmentexception", "logistics.view_warehouse", "logistics.view_stallrule",
        "logistics.view_waybillorder", "logistics.view_waybillline", "logistics.view_dispatchwebhook",
        "logistics.view_carriercall", "logistics.view_carriernotification", "bulk_jobs.view_bulkjob",
        "logistics.view_dispatch", "logistics.view_dispatchline", "logistics.view_stock", "logistics.view_stockmovement",
        "messaging.view_buyermessage", "messaging.view_messageattempt", "messaging.view_messageresend",
        "messaging.view_messagetemplate", "messaging.view_messagesettings", "messaging.view_stoplistentry",
        "automation.view_automationrule", "automation.view_rulerun", "automation.view_dryrun",
        "automation.view_releaserequest",
    }
)  # fmt: skip
_IMPORTS = {
    "payments.import_statement", "payments.add_statementmapping", "payments.change_statementmapping",
}  # fmt: skip
# What two persons decide together: a role that may do both is still two persons.
_SETTLES = {
    "payments.view_settlementfile", "payments.propose_settlementrequest", "payments.approve_settlementrequest",
    "payments.propose_revivalrequest", "payments.approve_revivalrequest",
}  # fmt: skip
_AGENT = _LOOK | {
    "orders.view_buyer_phone", "orders.close_order", "orders.view_riskstrategy", "payments.view_settlementfile",
    "payments.propose_settlementrequest",
    "payments.replay_paymentnotification", "payments.request_refund", "logistics.resolve_shipmentexception",
    "logistics.order_waybill", "logistics.print_label", "logistics.replay_carriernotification",
    "logistics.manage_dispatch",
    "messaging.resend_message", "messaging.add_stoplistentry",
    "automation.add_ordertag",
}  # fmt: skip
_SUPERVISOR = (
    _AGENT
    | _SETTLES
    | {
        "orders.hold_order",
        "merchant_webhooks.view_webhookendpoint",
        "merchant_webhooks.view_webhookdelivery",
        "merchant_webhooks.resend_webhookdelivery",
        "orders.manage_risk",
        "automation.manage_rules",
        "logistics.change_number",
        "logistics.correct_stock",
        "payments.resolve_paymentexception",
        "payments.approve_refund",
        "orders.view_changerequest",
        "payments.view_paymentaccount",
        "payments.approve_paymentaccount",
        "messaging.change_stoplistentry",
    }
)
_FINANCE = _LOOK | _SETTLES | _IMPORTS | {
    "payments.settle_statement",
    "payments.view_moneylimit", "orders.view_changerequest", "payments.approve_paymentaccount",
    "orders.approve_merchant",
    "payments.view_paymentaccount", "payments.replay_paymentnotification", "payments.resolve_paymentexception",
    "payments.request_refund", "payments.approve_refund",
}  # fmt: skip
_OPERATIONS = _LOOK | _IMPORTS | {
    "orders.view_changerequest",
    "orders.add_merchant", "orders.change_merchant", "orders.view_merchantmember", "orders.add_merchantmember",
    "orders.change_merchantmember",
    "orders.view_apiclient", "orders.add_apiclient", "orders.change_apiclient",
    "orders.view_transitionrule", "orders.change_transitionrule", "orders.view_riskstrategy",
    "orders.add_watchlimit", "orders.change_watchlimit",
    "payments.view_paymentaccount", "payments.add_paymentaccount", "payments.change_paymentaccount",
    "payments.view_refusedcall", "payments.replay_paymentnotification",
    # Who sets the limits moves no money, and who moves money sets no limits.
    "payments.view_moneylimit", "payments.add_moneylimit", "payments.change_moneylimit", "payments.delete_moneylimit",
    "logistics.add_warehouse", "logistics.change_warehouse", "logistics.add_stallrule", "logistics.change_stallrule",
    "logistics.view_carrieraccount", "logistics.add_carrieraccount", "logistics.change_carrieraccount",
    "logistics.resolve_shipmentexception", "logistics.order_waybill", "logistics.change_number",
    "logistics.replay_carriernotification", "logistics.view_refusedpush",
    "logistics.manage_dispatch", "logistics.correct_stock",
    "messaging.view_messageaccount", "messaging.add_messageaccount", "messaging.change_messageaccount",
    "messaging.add_messagetemplate", "messaging.change_messagetemplate",
    "messaging.add_messagesettings", "messaging.change_messagesettings", "messaging.resend_message",
    "messaging.add_stoplistentry", "messaging.change_stoplistentry",
    "merchant_webhooks.view_webhookendpoint", "merchant_webhooks.add_webhookendpoint",
    "merchant_webhooks.change_webhookendpoint", "merchant_webhooks.view_webhookdelivery",
    "merchant_webhooks.resend_webhookdelivery",
    "rails.view_delivery", "rails.change_delivery", "health.view_alert", "health.change_alert",
    "people.view_loginfailure", "people.change_loginfailure",
    "automation.manage_rules", "automation.add_ordertag",
}  # fmt: skip
_AUDITOR = _LOOK | {
    "orders.view_apiclient", "orders.view_transitionrule", "orders.view_historyseal", "orders.view_phonelook",
    "orders.view_merchantmember", "orders.view_riskstrategy",
    "payments.view_paymentaccount", "payments.view_refusedcall", "logistics.view_carrieraccount",
    "messaging.view_messageaccount",
    "logistics.view_refusedpush", "payments.view_settlementfile", "payments.view_moneylimit", "orders.view_changerequest",
    "payments.approve_moneylimit", "merchant_webhooks.view_webhookendpoint", "merchant_webhooks.view_webhookdelivery",
    "rails.view_delivery", "rails.view_auditentry", "health.view_alert", "people.view_loginfailure", "admin.view_logentry",
}  # fmt: skip

ROLES: Mapping[str, frozenset[str]] = {
    "viewer": _LOOK,
    "agent": frozenset(_AGENT),
    "supervisor": frozenset(_SUPERVISOR),
    "finance": frozenset(_FINANCE),
    "operations": frozenset(_OPERATIONS),
    "auditor": frozenset(_AUDITOR),
}
ROLE_LABELS = {
    "viewer": _("viewer"),
    "agent": _("agent"),
    "supervisor": _("supervisor"),
    "finance": _("finance"),
    "operations": _("operations"),
    "auditor": _("auditor"),
}


def role_label(name: str) -> str:
    """Return a role's name in the reader's language; a group of the installation's own is called as it is."""
    return str(ROLE_LABELS.get(name, name))


def make_groups(sender: AppConfig, apps: Apps = installed, **_kwargs: Any) -> None:
    """Give each role exactly its permissions of this app. Runs for every app after Django made its permissions."""
    try:
        groups, permissions = (
            apps.get_model("auth", "Group").objects,
            apps.get_model("auth", "Permission").objects,
        )
    except LookupError:  # a migrate that stops before there are any
        return
    known = {one.codename: one for one in permissions.filter(content_type__app_label=sender.label)}
    for role, names in ROLES.items():
        group, _made = groups.get_or_create(name=role)
        wanted = {name.partition(".")[2] for name in names if name.startswith(f"{sender.label}.")}
        has = set(
            group.permissions.filter(content_type__app_label=sender.label).values_list("codename", flat=True)
        )
        group.permissions.add(*(known[codename] for codename in sorted(wanted - has)))
        group.permissions.remove(*(known[codename] for codename in sorted(has - wanted)))
