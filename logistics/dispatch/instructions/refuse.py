"""What follows where a warehouse refuses an instruction: the order is routed anew, or a person has to look."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from logistics import cases
from logistics.dispatch.instructions.route import REROUTED
from logistics.models import Dispatch, ShipmentException
from ordersite.queue import outbox


def refuse(row: Dispatch, code: str, message: str) -> None:
    """Refuse a locked instruction on the instance, with the warehouse's code and words."""
    row.refuse()
    row.refusal, row.message = code or "refused", message[:500]


def follow_up(refused: Sequence[Dispatch]) -> None:
    """Have the orders of these refused instructions, which have been ended, routed anew or looked at."""
    now = timezone.now()
    anew = [row for row in refused if row.refusal in REROUTED]
    outbox.publish([outbox.Event("dispatch.ended", row.order_id, now) for row in anew])
    cases.open_goods_cases([_case(row) for row in refused if row.refusal not in REROUTED])


def _case(row: Dispatch) -> cases.GoodsCase:
    return cases.GoodsCase(
        kind=ShipmentException.Kind.DISPATCH_REFUSED,
        order_id=row.order_id,
        warehouse_id=row.warehouse_id,
        detail={"refusal": row.refusal, "message": row.message},
    )
