"""Facts that rules look at: events of the flow, or orders that a schedule has found, each about one order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from logistics.models import Shipment, ShipmentException
from ordersite.automation.catalogue.triggers import EVENTS, OF_CASES, OF_PARCELS, ONCE
from ordersite.queue.outbox import NO_CAUSE, Cause
from ordersite.queue.relay import Delivered
from payments.models import PaymentException


@dataclass(frozen=True, slots=True)
class RuleFact:
    """`key` names it for ever: no rule acts twice on one key. `at` is UTC; the order is judged as it was then.

    `cause` says which rules have led to it.
    """

    key: str
    trigger: str
    order_id: int
    at: datetime
    case_kind: str = ""
    cause: Cause = NO_CAUSE


def order_key(event: str, order_id: int, at: datetime) -> str:
    """The key of an event of an order: its time tells those apart that may come again."""
    if event in ONCE:
        return f"{event}:{order_id}"
    return f"{event}:{order_id}:{int(at.timestamp() * 1_000_000)}"


def row_key(event: str, row_id: int) -> str:
    """The key of an event about a case or parcel."""
    return f"{event}:{row_id}"


def facts_of(events: Sequence[Delivered]) -> list[RuleFact]:
    """The facts behind events, without those about no order. At most three statements."""
    known = [event for event in events if event.name in EVENTS]
    rows = _rows_of(known)
    facts = []
    for event in known:
        if event.name not in OF_CASES | OF_PARCELS:
            key = order_key(event.name, event.subject_id, event.at)
            facts.append(RuleFact(key, event.name, event.subject_id, event.at, cause=_cause(event)))
        elif found := rows.get((event.name, event.subject_id)):
            order_id, kind = found
            key = row_key(event.name, event.subject_id)
            facts.append(RuleFact(key, event.name, order_id, event.at, kind, _cause(event)))
    return facts


def _cause(event: Delivered) -> Cause:
    return Cause.of(event.payload)


def _rows_of(events: Iterable[Delivered]) -> Mapping[tuple[str, int], tuple[int, str]]:
    """Event and row → its order and, of a case, its kind. Rows about no order are left out."""
    ids: dict[str, list[int]] = {}
    for event in events:
        ids.setdefault(event.name, []).append(event.subject_id)
    found: dict[tuple[str, int], tuple[int, str]] = {}
    for name, model in (
        ("payment.exception_raised", PaymentException),
        ("shipment.exception_raised", ShipmentException),
    ):
        if name in ids:
            rows = model._default_manager.filter(pk__in=ids[name], order__isnull=False)
            found |= {
                (name, pk): (order, kind) for pk, order, kind in rows.values_list("pk", "order", "kind")
            }
    if parcels := {pk for name in OF_PARCELS for pk in ids.get(name, ())}:
        orders = dict(Shipment.objects.filter(pk__in=parcels).values_list("pk", "order"))
        found |= {
            (name, pk): (orders[pk], "") for name in OF_PARCELS for pk in ids.get(name, ()) if pk in orders
        }
    return found
