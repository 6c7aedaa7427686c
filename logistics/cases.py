"""Opens and resolves the cases of parcels and of carrier accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from logistics.models import CarrierAccount, Shipment, ShipmentException
from orders.models import OrderStatus
from ordersite.database import bulk
from ordersite.queue import outbox

Kind = ShipmentException.Kind
WHAT_TO_DO: Mapping[str, Promise] = {
    Kind.NOT_SIGNED: _("The parcel is too long on its way. Ask the carrier where it is, and tell the buyer."),
    Kind.CARRIER_SILENT: _(
        "The carrier has said nothing about this parcel for long. See whether the waybill number is right, and ask the "
        "warehouse whether the parcel has really left."
    ),
    Kind.RETURNED: _(
        "The parcel came back. Ask the buyer: send it again, or refund the order once the warehouse has the goods."
    ),
    Kind.ORDER_NOT_COMPLETED: _(
        "All parcels are signed for, but the order was not completed. See the reason; once it is gone the order is "
        "completed by itself."
    ),
    Kind.ACCOUNT_SILENT: _(
        "The account has given no usable answer for long, so nothing is heard of its parcels. See the last problem: the "
        "keys, the funds, or the company itself. Once it answers again the case is resolved by itself; parcels that "
        "stay silent then become cases of their own."
    ),
}
_GOODS_AND_MONEY = _(
    "The order was refunded in full, and the parcel was signed for all the same: the buyer has goods and money. Ask the "
    "buyer to send the goods back or to pay again, then resolve the case."
)


def what_to_do(case: ShipmentException) -> str | Promise:
    """The advice for the person who works on the case."""
    if case.kind == Kind.ORDER_NOT_COMPLETED and case.detail.get("order_status") == OrderStatus.REFUNDED:
        return _GOODS_AND_MONEY
    return WHAT_TO_DO.get(case.kind, "")


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
    return _insert(rows, about="shipment")


def open_account_case(account: CarrierAccount, detail: Mapping[str, Any]) -> int:
    """Insert the case of a silent account unless it is open, and publish an event; returns how many were opened.

    Call inside a transaction.
    """
    case = ShipmentException(
        kind=Kind.ACCOUNT_SILENT, account_id=account.pk, detail=dict(detail), created_at=timezone.now()
    )
    return _insert([case], about="account")


def _insert(rows: Sequence[ShipmentException], *, about: str) -> int:
    opened = bulk.insert_rows(ShipmentException, rows, ignore_conflicts=True, returning=("id", "kind", about))
    now = timezone.now()
    outbox.publish(
        [
            outbox.Event("shipment.exception_raised", pk, now, {"kind": kind, about: about_id})
            for pk, kind, about_id in opened
        ]
    )
    return len(opened)


def resolve(case: ShipmentException, *, user: AbstractBaseUser | None, note: str) -> bool:
    """Resolve an open case; returns False when it is resolved already.

    `user` is None when the product found the case settled by itself.
    """
    rows = ShipmentException.objects.open().filter(pk=case.pk)
    return rows.update(resolved_at=timezone.now(), resolved_by=user, resolution=note[:500]) == 1
