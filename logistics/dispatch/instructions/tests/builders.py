"""Builders of warehouses that take instructions, and of their stock."""

from __future__ import annotations

from typing import Any

from logistics.models import Stock, Warehouse
from orders.tests.builders import build_merchant
from ordersite.flow import FLOW
from ordersite.queue import relay


def build_pull(slug: str, *regions: str, cost: str = "5.00", **more: Any) -> Warehouse:
    values = {"name": slug, "regions": list(regions), "cost": cost, "adapter": "pull", **more}
    return Warehouse.objects.create(merchant=build_merchant(), slug=slug, **values)


def count(warehouse: Warehouse, product: str, on_hand: int) -> None:
    Stock.objects.update_or_create(warehouse=warehouse, product_id=product, defaults={"on_hand": on_hand})


def run_events() -> None:
    """Hand the waiting events to logistics' handlers, until none are left."""
    ours = {
        event: {key: handler for key, handler in keyed.items() if key.startswith("logistics.")}
        for event, keyed in FLOW.items()
    }
    while relay.run(ours):
        pass
