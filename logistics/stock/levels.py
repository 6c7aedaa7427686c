"""Takes the stock that a warehouse reports: absolute figures, a result for each row."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from logistics import errors
from logistics.models import ShipmentException, Warehouse
from logistics.stock import ledger
from logistics.stock.ledger import Shelf
from orders.models import Merchant
from ordersite.queue import outbox
from ordersite.queue.outbox import Event

MOST_ROWS = 500
MOST_WAITING = 500


@dataclass(frozen=True, slots=True)
class Level:
    """`warehouse` is a slug, `on_hand` what is on the shelf, reserved goods among it."""

    warehouse: str
    product_id: str
    on_hand: int


@dataclass(frozen=True, slots=True)
class LevelResult:
    """`code` is a key of `errors.STOCK`."""

    level: Level
    code: str

    @property
    def ok(self) -> bool:
        return self.code == "ok"

    @property
    def message(self) -> str:
        return str(errors.STOCK[self.code])


def report_stock(merchant: Merchant, levels: Sequence[Level]) -> list[LevelResult]:
    """Set the stock of up to MOST_ROWS products; of two rows about one product the last one stands.

    A row that is refused leaves the others alone. Raises ValueError for
    more rows.
    """
    if len(levels) > MOST_ROWS:
        raise ValueError(f"more than {MOST_ROWS} levels")
    slugs = {level.warehouse for level in levels}
    known = dict(Warehouse.objects.filter(merchant=merchant, slug__in=slugs).values_list("slug", "pk"))
    figures = {
        Shelf(known[level.warehouse], level.product_id): level.on_hand
        for level in levels
        if level.warehouse in known
    }
    _count(merchant, figures)
    return [LevelResult(level, "ok" if level.warehouse in known else "unknown_warehouse") for level in levels]


def _count(merchant: Merchant, figures: dict[Shelf, int]) -> None:
    now = timezone.now()
    with transaction.atomic():
        stock = ledger.lock(figures)
        for shelf, on_hand in figures.items():
            stock.count(shelf, on_hand, at=now)
        stock.save()
        wake_waiting(merchant, {shelf.product_id for shelf, on_hand in figures.items() if on_hand}, at=now)


def wake_waiting(merchant: Merchant, products: Collection[str], *, at: datetime) -> None:
    """Have the orders that wait for one of these products routed anew. Call inside a transaction; `at` is UTC."""
    outbox.publish([Event("stock.reported", pk, at) for pk in _waiting(merchant, products)])


def _waiting(merchant: Merchant, products: Collection[str]) -> list[int]:
    """The orders that wait for one of these products, the oldest first; each report brings some on their way."""
    cases = ShipmentException.objects.open().filter(
        kind=ShipmentException.Kind.OUT_OF_STOCK,
        order__merchant=merchant,
        order__lines__product_id__in=sorted(products),
    )
    found = dict.fromkeys(cases.order_by("pk").values_list("order_id", flat=True)[:MOST_WAITING])
    return [pk for pk in found if pk is not None]
