"""The table of bulk operations: what the runner can do and the back office offers for pasted numbers."""

from __future__ import annotations

from logistics.bulk import operations as logistics
from ordersite.bulk_jobs.operations import Operations, table_of
from ordersite.hold_desk import operations as hold_desk
from ordersite.order_bulk import operations as orders

OPERATIONS: Operations = table_of((*orders.OPERATIONS, *logistics.OPERATIONS, *hold_desk.OPERATIONS))
