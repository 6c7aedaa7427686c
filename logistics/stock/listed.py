"""The stock of one shop as its own people read it, cut into pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F

from logistics.models import Stock, Warehouse

PAGE_SIZE = 50
LONGEST_PRODUCT = 64


@dataclass(frozen=True, slots=True)
class StockPage:
    """Rows by product, and where the next page begins; `warehouse` is None where a product was looked for in all."""

    warehouses: Sequence[Warehouse]
    warehouse: Warehouse | None
    rows: Sequence[Stock]
    next_after: str


def stock_page(
    merchant_id: int, *, slug: str = "", product: str = "", only_used_up: bool = False, after: str = ""
) -> StockPage:
    """One page of a warehouse of the shop, by keyset; of the shop's first one where `slug` names none of its own.

    With `product` that one in all warehouses instead. Three queries at most, whatever the shop has.
    """
    warehouses = list(Warehouse.objects.filter(merchant=merchant_id).order_by("-is_active", "name", "pk"))
    product, after = (text.replace("\x00", "")[:LONGEST_PRODUCT] for text in (product, after))
    if product:
        found = Stock.objects.filter(product_id=product, warehouse__in=warehouses)
        rows = list(found.select_related("warehouse").order_by("pk"))
        return StockPage(warehouses, None, rows, "")
    chosen = next((one for one in warehouses if one.slug == slug), warehouses[0] if warehouses else None)
    if chosen is None:
        return StockPage((), None, (), "")
    kept = Stock.objects.filter(warehouse=chosen, product_id__gt=after)
    if only_used_up:
        kept = kept.filter(on_hand__lte=F("reserved"))
    rows = list(kept.select_related("warehouse").order_by("product_id")[: PAGE_SIZE + 1])
    shown = rows[:PAGE_SIZE]
    return StockPage(warehouses, chosen, shown, shown[-1].product_id if len(rows) > PAGE_SIZE else "")
