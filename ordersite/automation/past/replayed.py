"""The events that an order's history proves: what was published when it was held, released and refunded in part.

Those events depend on what else stopped the order then, so its lines are told again from the first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from orders.models import OrderEvent, OrderStatus

Kind = OrderEvent.EventKind
# Lines after which such an event may have been published.
TURNING = (Kind.HOLD, Kind.RELEASE, Kind.REFUND_REQUESTED, Kind.REFUND_ENDED, Kind.PARTIAL_REFUND)
_GOING_ON = (OrderStatus.PAID, OrderStatus.SHIPPED)


@dataclass(slots=True)
class _OrderThen:
    """An order as its lines have left it."""

    status: str = ""
    held: bool = False
    refunds: int = 0
    is_refunded: bool = False

    def after(self, kind: str, status: str) -> str:
        """Take a line in; returns the event that it published, if it is one of these."""
        self.status = status or self.status
        if kind == Kind.HOLD:
            self.held = True
            return self._stopped()
        if kind == Kind.REFUND_REQUESTED:
            self.refunds += 1
            return self._stopped()
        if kind == Kind.RELEASE:
            self.held = False
        elif kind == Kind.REFUND_ENDED:
            self.refunds = max(self.refunds - 1, 0)
        elif kind == Kind.PARTIAL_REFUND:
            self.is_refunded = True
        return self._goes_on() if kind in TURNING else ""

    def _stopped(self) -> str:
        return "order.stopped" if self.status == OrderStatus.PAID else ""

    def _goes_on(self) -> str:
        if self.held or self.refunds or self.status not in _GOING_ON:
            return ""
        if self.is_refunded:
            return "order.partly_refunded"
        return "order.released" if self.status == OrderStatus.PAID else ""


def replayed(order_ids: Collection[int]) -> Iterator[tuple[str, int, datetime]]:
    """Event, order and time (UTC) of all such events of these orders, order by order."""
    lines: defaultdict[int, list[tuple[str, str, datetime]]] = defaultdict(list)
    rows = OrderEvent.objects.filter(order_id__in=order_ids).order_by("order_id", "seq")
    for order_id, kind, status, at in rows.values_list("order_id", "kind", "to_status", "recorded_at"):
        lines[order_id].append((kind, status, at))
    for order_id, own in lines.items():
        state = _OrderThen()
        for kind, status, at in own:
            if event := state.after(kind, status):
                yield event, order_id, at


REPLAYED: Mapping[str, tuple[str, ...]] = dict.fromkeys(
    ("order.stopped", "order.released", "order.partly_refunded"), TURNING
)
