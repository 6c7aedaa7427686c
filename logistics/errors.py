"""The errors of this app, by code."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# The codes of a confirmation's result (see POST /api/v1/shipments/confirm/); the first two are successes.
CONFIRMATIONS: Mapping[str, str | Promise] = {
    "ok": _("Confirmed."),
    "already_confirmed": _("This parcel was confirmed before; nothing was changed."),
    "unknown_order": _("There is no such order in this shop."),
    "not_paid": _("The order is unpaid, closed or refunded: nothing of it may ship."),
    "held": _("The order is held, or a refund of it is under way: it must not ship before that ends."),
    "over_shipped": _("More than what is left of the order."),
    "unknown_carrier": _("This carrier is not known."),
    "unknown_warehouse": _("This warehouse is not known."),
    "tracking_number_used": _("The waybill number belongs to another parcel."),
}

# The codes of a row of POST /api/v1/stock/.
STOCK: Mapping[str, str | Promise] = {
    "ok": _("Counted."),
    "unknown_warehouse": _("This warehouse is not known."),
}

# The codes of a row of POST /api/v1/dispatches/ack/; the first two are successes.
ACKS: Mapping[str, str | Promise] = {
    "ok": _("Acknowledged."),
    "already_acked": _("This instruction was answered before; nothing was changed."),
    "unknown_dispatch": _("There is no such instruction in this shop."),
    "cancelled": _("The instruction was cancelled: do not send these goods."),
}
