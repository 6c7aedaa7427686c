"""Parcels that need a person: raised once each, resolved by somebody with a name."""

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
    kind: str
    shipment: Shipment
    detail: Mapping[str, Any] = field(default_factory=dict)


def open_cases(cases: Sequence[Case]) -> int:
    """Open the cases that are not open yet, and tell of them; returns how many. Call inside a transaction."""
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


def resolve(exception: ShipmentException, *, user: AbstractBaseUser | None, note: str) -> bool:
    """Close a case; False when it was closed before. `user` None: the product found the case settled by itself."""
    changed = ShipmentException.objects.filter(pk=exception.pk, resolved_at__isnull=True).update(
        resolved_at=timezone.now(), resolved_by=user, resolution=note[:500]
    )
    return changed == 1
