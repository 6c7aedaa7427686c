"""Chooses the warehouses of an order: by region, stock, distance, cost, priority. Pure, on figures that are locked.

One warehouse that can send everything is better than two; where none can, as few as possible share the lines. Nothing
is instructed where something is missing: half an order helps nobody before a person has looked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from logistics.models import Warehouse

# What provinces are called besides their name.
_ENDINGS = re.compile(r"(壮族|回族|维吾尔)?(省|市|自治区|特别行政区)$")


@dataclass(frozen=True, slots=True)
class Part:
    """What one warehouse sends: order line id → quantity. `reasons` is plain JSON for `labels.dispatch_reasons`."""

    warehouse: Warehouse
    quantities: Mapping[int, int]
    reasons: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Need:
    """What of an order is to be sent: order line id → quantity, and their products."""

    province: str
    quantities: Mapping[int, int]
    products: Mapping[int, str]


# The stock that a warehouse has of a product; None: not counted.
Available = Callable[[int, str], int | None]


@lru_cache(maxsize=1024)
def province_key(name: str) -> str:
    """A province's name without its ending: 浙江省 and 浙江 are one."""
    return _ENDINGS.sub("", name.strip())


def distance_of(warehouse: Warehouse, province: str) -> int | None:
    """0: it stands in the province; 1: it names it; 2: it serves all; None: it does not serve it."""
    return _distance(tuple(warehouse.regions), province)


@lru_cache(maxsize=4096)
def _distance(regions: tuple[str, ...], province: str) -> int | None:
    names = [province_key(region) for region in regions]
    if not names:
        return 2
    key = province_key(province)
    if key not in names:
        return None
    return 0 if names[0] == key else 1


def choose(need: Need, warehouses: Sequence[Warehouse], available: Available) -> list[Part]:
    """The parts of an order; empty where the warehouses cannot send all of it."""
    serving = sorted(
        (row for row in warehouses if distance_of(row, need.province) is not None),
        key=lambda row: _rank(row, need.province),
    )
    left, parts = dict(need.quantities), []
    while any(left.values()):
        covered = [(row, _covered(row, left, need, available)) for row in serving]
        best = max(covered, key=lambda pair: sum(pair[1].values()), default=None)
        if best is None or not best[1]:
            return []
        parts.append(best)
        left = {line: quantity - best[1].get(line, 0) for line, quantity in left.items()}
        serving = [row for row in serving if row.pk != best[0].pk]
    return [Part(row, taken, reasons_for(row, need, len(parts))) for row, taken in parts]


def _rank(warehouse: Warehouse, province: str) -> tuple[int, Any, int, int]:
    """The lower rank goes first where stock does not decide."""
    return (distance_of(warehouse, province) or 0, warehouse.cost, warehouse.priority, warehouse.pk)


def _covered(
    warehouse: Warehouse, left: Mapping[int, int], need: Need, available: Available
) -> dict[int, int]:
    """What of the lines this warehouse could send: order line id → quantity."""
    rest: dict[str, int | None] = {}
    taken = {}
    for line, quantity in left.items():
        product = need.products[line]
        stock = rest.setdefault(product, available(warehouse.pk, product))
        part = quantity if stock is None else min(quantity, stock)
        if part:
            taken[line] = part
        if stock is not None:
            rest[product] = stock - part
    return taken


def reasons_for(warehouse: Warehouse, need: Need, parts: int) -> dict[str, Any]:
    """Codes and figures of the choice, for people in any language."""
    return {
        "distance": distance_of(warehouse, need.province),
        "province": need.province,
        "cost": str(warehouse.cost),
        "priority": warehouse.priority,
        "parts": parts,
    }
