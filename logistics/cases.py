"""Opens and resolves the cases of parcels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from logistics.models import Shipment, ShipmentException
from ordersite.database import bulk
from ordersite.queue import outbox

Kind = ShipmentException.Kind


@dataclass(frozen=True, slots=True)
class Case:
    """A case to open; `kind` is a `ShipmentException.Kind`."""

    kind: str
    shipment: Shipment
    detail: Mapping[str, Any] = field(default_factory=dict)


def open_cases(cases: Sequence[Case]) -> int:
    """Insert the cases that are not open yet and publish an event for each; returns how many were opened.

    Call inside a transaction.
    """
    now = timezone.now()
    rows = [
        ShipmentException(
            kind=case.kind,
            shipment_id=case.shipment.pk,
            order_id=case.shipment.order_id,
            detail=dict(case.detail),
            created_at=now,
        )
        for case in sorted(cases, key=lambda case: (case.shipment.pk, case.kind))
    ]
    opened = bulk.insert_rows(
        ShipmentException, rows, ignore_conflicts=True, returning=("id", "kind", "shipment")
    )
    outbox.publish(
        [
            outbox.Event("shipment.exception_raised", pk, now, {"kind": kind, "shipment": shipment})
            for pk, kind, shipment in opened
        ]
    )
    return len(opened)


def resolve(case: ShipmentException, *, user: AbstractBaseUser | None, note: str) -> bool:
    """Resolve an open case; returns False when it is resolved already.

    `user` is None when the product found the case settled by itself.
    """
    rows = ShipmentException.objects.open().filter(pk=case.pk)
    return rows.update(resolved_at=timezone.now(), resolved_by=user, resolution=note[:500]) == 1
