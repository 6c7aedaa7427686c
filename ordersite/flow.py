"""The whole flow on one page: event → handlers, keyed by stable names (a key outlives the function's name).

Events are rows that the doors write in the transaction that made them true; the relay delivers each to every handler
named here, at least once. An event without handlers is listed all the same: what is published must be known.
"""

from __future__ import annotations

from functools import partial

from logistics.dispatch import refunded_rest
from logistics.dispatch.instructions import route
from orders.approvals.limit_changes import LIMIT
from orders.approvals.notify import mail_approvers
from orders.approvals.switches import SWITCHES
from ordersite.automation.engine.run import has_running, run_rules
from ordersite.automation.releases import RELEASE
from ordersite.merchant_webhooks import events as merchant_webhooks
from ordersite.messaging.handlers import STALLED_MESSAGE, order_message, parcel_message
from ordersite.messaging.models import MessageEvent
from ordersite.queue.relay import OnDemand, Table
from payments.accounts.change_kind import ACCOUNT
from payments.lifecycle import closing
from payments.manual.revive import REVIVAL
from payments.manual.settle import SETTLEMENT
from payments.reconciliation.approval import STATEMENT
from payments.refunds import late_payments
from payments.refunds.approval import REFUND

# Nothing is delivered to it in a shop without endpoints.
WEBHOOKS = OnDemand(merchant_webhooks.handle_event, merchant_webhooks.are_wanted)
RULES = OnDemand(run_rules, has_running)

FLOW: Table = {
    # orders
    "order.created": {
        "automation.run": RULES,
        "messaging.order_created": order_message(MessageEvent.CREATED),
        "merchant_webhooks.order_created": WEBHOOKS,
    },
    "order.close_requested": {"payments.close_attempts": closing.handle_close_requested},
    "order.paid": {
        "automation.run": RULES,
        "logistics.instruct_warehouses": route.handle_may_ship,
        "messaging.order_paid": order_message(MessageEvent.PAID),
        "payments.close_other_attempts": closing.handle_order_paid,
        "merchant_webhooks.order_paid": WEBHOOKS,
    },
    "order.shipped": {"automation.run": RULES, "merchant_webhooks.order_shipped": WEBHOOKS},
    "order.completed": {"automation.run": RULES, "merchant_webhooks.order_completed": WEBHOOKS},
    "order.closed": {
        "automation.run": RULES,
        "logistics.cancel_of_closed": route.handle_must_stay,
        "messaging.order_closed": order_message(MessageEvent.CLOSED),
        "payments.close_after_order": closing.handle_order_closed,
        "merchant_webhooks.order_closed": WEBHOOKS,
    },
    "order.revived": {
        "automation.run": RULES,
        "logistics.instruct_of_revived": route.handle_may_ship,
        "messaging.order_revived": order_message(MessageEvent.PAID),
        "merchant_webhooks.order_revived": WEBHOOKS,
    },
    "order.stopped": {
        "automation.run": RULES,
        "logistics.cancel_of_stopped": route.handle_must_stay,
        "merchant_webhooks.order_stopped": WEBHOOKS,
    },
    "order.released": {
        "automation.run": RULES,
        "logistics.instruct_of_released": route.handle_may_ship,
        "merchant_webhooks.order_released": WEBHOOKS,
    },
    "order.refunded": {
        "automation.run": RULES,
        "logistics.cancel_of_refunded": route.handle_must_stay,
        "messaging.order_refunded": order_message(MessageEvent.REFUNDED),
        "merchant_webhooks.order_refunded": WEBHOOKS,
    },
    "order.partly_refunded": {
        "automation.run": RULES,
        "logistics.end_with_refund": refunded_rest.handle_partly_refunded,
        "logistics.instruct_of_partly_refunded": route.handle_may_ship,
        "messaging.order_partly_refunded": order_message(MessageEvent.PARTLY_REFUNDED),
        "merchant_webhooks.order_partly_refunded": WEBHOOKS,
    },
    "switches.change_proposed": {"orders.notify_approvers_of_switches": partial(mail_approvers, SWITCHES)},
    "limit.change_proposed": {"orders.notify_approvers_of_limit": partial(mail_approvers, LIMIT)},
    # payments
    "account.change_proposed": {"payments.notify_approvers_of_account": partial(mail_approvers, ACCOUNT)},
    "payment.exception_raised": {
        "automation.run": RULES,
        "payments.refund_late_payment": late_payments.handle_exception_raised,
    },
    "settlement.proposed": {"payments.tell_of_settlement": partial(mail_approvers, SETTLEMENT)},
    "revival.proposed": {"payments.tell_of_revival": partial(mail_approvers, REVIVAL)},
    "release.proposed": {"automation.tell_of_release": partial(mail_approvers, RELEASE)},
    "refund.proposed": {"payments.tell_of_refund": partial(mail_approvers, REFUND)},
    "statement.proposed": {"payments.tell_of_statement": partial(mail_approvers, STATEMENT)},
    # logistics
    "stock.reported": {"logistics.instruct_with_stock": route.handle_may_ship},
    "dispatch.ended": {"logistics.instruct_anew": route.handle_may_ship},
    "shipment.shipped": {
        "automation.run": RULES,
        "messaging.parcel_shipped": parcel_message(MessageEvent.SHIPPED),
    },
    "shipment.moved": {
        "automation.run": RULES,
        "messaging.parcel_moved": parcel_message(MessageEvent.MOVING),
    },
    "shipment.out_for_delivery": {
        "automation.run": RULES,
        "messaging.parcel_out_for_delivery": parcel_message(MessageEvent.OUT_FOR_DELIVERY),
    },
    "shipment.ready_for_pickup": {
        "automation.run": RULES,
        "messaging.parcel_ready_for_pickup": parcel_message(MessageEvent.READY_FOR_PICKUP),
    },
    "shipment.delivered": {
        "automation.run": RULES,
        "messaging.parcel_delivered": parcel_message(MessageEvent.DELIVERED),
        "merchant_webhooks.shipment_delivered": WEBHOOKS,
    },
    "shipment.exception_raised": {"automation.run": RULES, "messaging.parcel_stalled": STALLED_MESSAGE},
}
