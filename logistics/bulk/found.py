"""Finds what pasted numbers name: waybill numbers, order numbers and references of waybills."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from django.db.models import QuerySet

from logistics.models import Shipment, WaybillOrder, WaybillStatus
from orders.models import Order
from ordersite.bulk_jobs.operations import Subject, pair_up

_A_QUERY = 1_000


def find_parcels(numbers: Sequence[str]) -> Iterable[Subject]:
    """Parcels by waybill number or order number."""
    rows = Shipment.objects.order_by("pk")
    return pair_up(numbers, _by_column(rows, ("tracking_number", "order__number"), numbers))


def find_waybills(numbers: Sequence[str]) -> Iterable[Subject]:
    """Made waybills by waybill number, order number or reference."""
    rows = WaybillOrder.objects.filter(status=WaybillStatus.MADE).order_by("pk")
    return pair_up(numbers, _by_column(rows, ("tracking_number", "order__number", "reference"), numbers))


def find_orders(numbers: Sequence[str]) -> Iterable[Subject]:
    """Orders by order number."""
    return pair_up(numbers, _by_column(Order.objects.order_by("pk"), ("number",), numbers))


def _by_column(rows: QuerySet, columns: Sequence[str], numbers: Sequence[str]) -> Mapping[str, Sequence[int]]:
    """Keys by number, of the first of these columns that has it. Each column is looked up by its index."""
    found: dict[str, list[int]] = {}
    for column in columns:
        left = [number for number in numbers if number not in found]
        here: dict[str, list[int]] = defaultdict(list)
        for start in range(0, len(left), _A_QUERY):
            part = rows.filter(**{f"{column}__in": left[start : start + _A_QUERY]})
            for pk, number in part.values_list("pk", column):
                here[number].append(pk)
        found |= here
    return found


def parcels_chosen(rows: QuerySet[Shipment]) -> Iterator[Subject]:
    for pk, number in rows.values_list("pk", "tracking_number").iterator():
        yield Subject(pk, number)


def orders_chosen(rows: QuerySet[Order]) -> Iterator[Subject]:
    for pk, number in rows.values_list("pk", "number").iterator():
        yield Subject(pk, number)


def waybills_chosen(rows: QuerySet[WaybillOrder]) -> Iterator[Subject]:
    for pk, number, reference in rows.values_list("pk", "tracking_number", "reference").iterator():
        yield Subject(pk, number or reference)


def waybills_of_parcels(rows: QuerySet[Shipment]) -> Iterator[Subject]:
    """The waybills of chosen parcels; one that was not ordered here has no label."""
    chosen = rows.values_list("waybill_order__pk", "tracking_number")
    for pk, number in chosen.iterator():
        yield Subject(pk, number, "label_missing")


def waybills_of_orders(rows: QuerySet[Order]) -> Iterator[Subject]:
    """The made waybills of chosen orders, in the order of these; one that has none fails."""
    orders = list(rows.values_list("pk", "number"))
    for start in range(0, len(orders), _A_QUERY):
        part = orders[start : start + _A_QUERY]
        made: dict[int, list[tuple[int, str]]] = defaultdict(list)
        waybills = WaybillOrder.objects.filter(
            order_id__in=[pk for pk, _number in part], status=WaybillStatus.MADE
        )
        for order_id, pk, number in waybills.order_by("pk").values_list("order_id", "pk", "tracking_number"):
            made[order_id].append((pk, number))
        for order_id, order_number in part:
            yield from (Subject(pk, number) for pk, number in made[order_id])
            if not made[order_id]:
                yield Subject(None, order_number, "label_missing")
