"""The whole flow on one page: event → handlers, keyed by stable names (a key outlives the function's name).

Events are rows that the doors write in the transaction that made them true; the relay delivers each to every handler
named here, at least once. An event without handlers is listed all the same: what is published must be known.
"""

from __future__ import annotations

from ordersite.queue.relay import Table
from payments.approvals import notify
from payments.lifecycle import closing
from payments.refunds import late_payments

FLOW: Table = {
    # orders
    "order.created": {},
    "order.close_requested": {"payments.close_attempts": closing.handle_close_requested},
    "order.paid": {"payments.close_other_attempts": closing.handle_order_paid},
    "order.shipped": {},
    "order.completed": {},
    "order.closed": {"payments.close_after_order": closing.handle_order_closed},
    "order.revived": {},
    "order.refunded": {},
    # payments
    "payment.exception_raised": {"payments.refund_late_payment": late_payments.handle_exception_raised},
    "settlement.proposed": {"payments.tell_of_settlement": notify.tell_of_settlement},
    "revival.proposed": {"payments.tell_of_revival": notify.tell_of_revival},
    "refund.proposed": {"payments.tell_of_refund": notify.tell_of_refund},
    # logistics
    "shipment.delivered": {},
    "shipment.exception_raised": {},
}
