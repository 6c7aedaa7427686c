"""What the apps contribute about an order: each module finds orders by what it knows, and explains its links."""

from __future__ import annotations

from logistics import about as logistics_about
from orders import about as orders_about
from payments import about as payments_about

ROOMS = (orders_about, payments_about, logistics_about)
