"""The whole flow on one page: event → handlers, keyed by stable names (a key outlives the function's name).

Events are rows that the doors write in the transaction that made them true; the relay delivers each to every handler
named here, at least once. An event without handlers is listed all the same: what is published must be known.
"""

from __future__ import annotations

from ordersite.rails.relay import Table
from payments import closing

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
    "payment.exception_raised": {},
    # logistics
    "shipment.delivered": {},
    "shipment.exception_raised": {},
}
