"""What the board says above its list: the open instructions of each warehouse by state, and how old the oldest is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q
from django.utils import timezone

from logistics.models import Dispatch, DispatchStatus, Warehouse


@dataclass(frozen=True, slots=True)
class WarehouseLoad:
    """The open instructions of one warehouse; `oldest_at` is UTC, `overdue` those of `DispatchQuerySet.overdue`."""

    warehouse: Warehouse
    waiting: int
    sent: int
    accepted: int
    overdue: int
    oldest_at: datetime


def loads() -> list[WarehouseLoad]:
    """The warehouses with open instructions, the oldest instruction first. Four queries, on what is open alone."""
    found = {row["warehouse_id"]: row for row in _counted()}
    late = dict(
        Dispatch.objects.overdue(timezone.now())
        .order_by()
        .values_list("warehouse_id")
        .annotate(number=Count("pk"))
    )
    warehouses = Warehouse.objects.select_related("merchant").in_bulk(found)
    rows = [
        WarehouseLoad(
            warehouses[pk], row["waiting"], row["sent"], row["accepted"], late.get(pk, 0), row["oldest"]
        )
        for pk, row in found.items()
    ]
    return sorted(rows, key=lambda row: row.oldest_at)


def _counted() -> list[dict[str, Any]]:
    states = (DispatchStatus.WAITING, DispatchStatus.SENT, DispatchStatus.ACCEPTED)
    counts = {state.value: Count("pk", filter=Q(status=state)) for state in states}
    rows = Dispatch.objects.open().order_by().values("warehouse_id")
    return [dict(row) for row in rows.annotate(oldest=Min("created_at"), **counts)]
