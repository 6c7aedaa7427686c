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
from ordersite.queue.relay import Table
from payments.accounts.change_kind import ACCOUNT
from payments.lifecycle import closing
from payments.manual.revive import REVIVAL
from payments.manual.settle import SETTLEMENT
from payments.reconciliation.approval import STATEMENT
from payments.refunds import late_payments
from payments.refunds.approval import REFUND

FLOW: Table = {
    # orders
    "order.created": {},
    "order.close_requested": {"payments.close_attempts": closing.handle_close_requested},
    "order.paid": {
        "logistics.instruct_warehouses": route.handle_may_ship,
        "payments.close_other_attempts": closing.handle_order_paid,
    },
    "order.shipped": {},
    "order.completed": {},
    "order.closed": {
        "logistics.cancel_of_closed": route.handle_must_stay,
        "payments.close_after_order": closing.handle_order_closed,
    },
    "order.revived": {"logistics.instruct_of_revived": route.handle_may_ship},
    "order.stopped": {"logistics.cancel_of_stopped": route.handle_must_stay},
    "order.released": {"logistics.instruct_of_released": route.handle_may_ship},
    "order.refunded": {"logistics.cancel_of_refunded": route.handle_must_stay},
    "order.partly_refunded": {
        "logistics.end_with_refund": refunded_rest.handle_partly_refunded,
        "logistics.instruct_of_partly_refunded": route.handle_may_ship,
    },
    "switches.change_proposed": {"orders.notify_approvers_of_switches": partial(mail_approvers, SWITCHES)},
    "limit.change_proposed": {"orders.notify_approvers_of_limit": partial(mail_approvers, LIMIT)},
    # payments
    "account.change_proposed": {"payments.notify_approvers_of_account": partial(mail_approvers, ACCOUNT)},
    "payment.exception_raised": {"payments.refund_late_payment": late_payments.handle_exception_raised},
    "settlement.proposed": {"payments.tell_of_settlement": partial(mail_approvers, SETTLEMENT)},
    "revival.proposed": {"payments.tell_of_revival": partial(mail_approvers, REVIVAL)},
    "refund.proposed": {"payments.tell_of_refund": partial(mail_approvers, REFUND)},
    "statement.proposed": {"payments.tell_of_statement": partial(mail_approvers, STATEMENT)},
    # logistics
    "stock.reported": {"logistics.instruct_with_stock": route.handle_may_ship},
    "dispatch.ended": {"logistics.instruct_anew": route.handle_may_ship},
    "shipment.delivered": {},
    "shipment.exception_raised": {},
}
