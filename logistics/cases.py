"""Opens and resolves the cases of parcels and of carrier accounts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from logistics.models import CarrierAccount, Shipment, ShipmentException
from orders.models import Order, OrderStatus
from ordersite.database import bulk
from ordersite.queue import outbox

Kind = ShipmentException.Kind
WHAT_TO_DO: Mapping[str, Promise] = {
    Kind.NOT_SIGNED: _("The parcel is too long on its way. Ask the carrier where it is, and tell the buyer."),
    Kind.CARRIER_SILENT: _(
        "The carrier has said nothing about this parcel for long. See whether the waybill number is right, and ask the "
        "warehouse whether the parcel has really left."
    ),
    Kind.NO_NEWS: _(
        "The carrier has reported no event of this parcel for long. Ask the carrier where it is; if it is lost, claim the "
        "insured value and send the goods again or refund the order. Resolves itself when the parcel moves."
    ),
    Kind.NOT_PICKED_UP: _(
        "The parcel was confirmed as sent, but the carrier has not picked it up. Ask the warehouse whether it has left, "
        "and the carrier to come for it. Resolves itself when it is picked up."
    ),
    Kind.FAILED_DELIVERIES: _(
        "The carrier could not deliver the parcel more than once. Ring up the buyer: are phone and address right, when is "
        "somebody there? Then tell the carrier. Resolves itself when the parcel arrives."
    ),
    Kind.AT_LOCKER: _(
        "The parcel has waited in the locker or at the pick-up point for long. Remind the buyer to collect it: the carrier "
        "sends it back otherwise. Resolves itself when it is collected."
    ),
    Kind.RETURNED: _(
        "The parcel came back. Ask the buyer: send it again, or refund the order once the warehouse has the goods."
    ),
    Kind.WAYBILL_VOID: _(
        "The carrier has cancelled the waybill of this parcel: its number is void, and its label must not be used. What is "
        "sent stays sent. If the goods leave under another number, change the waybill number on the parcel's page; if they "
        "stay, refund the order and put them back on the shelf."
    ),
    Kind.SIGNED_BACK: _(
        "The carrier reported that the parcel goes back, and then a signature without saying whose: it does not count as "
        "delivered. Ask the carrier who signed, then say it here: «It came back» or «The buyer has it»."
    ),
    Kind.UNWANTED_PARCEL: _("Nothing speaks against this parcel any more: resolve the case."),
    Kind.ORDER_NOT_COMPLETED: _(
        "All parcels are signed for, but the order was not completed. See the reason; once it is gone the order is "
        "completed by itself."
    ),
    Kind.ACCOUNT_SILENT: _(
        "The account has given no usable answer for long, so nothing is heard of its parcels. See the last problem: the "
        "keys, the funds, or the company itself. Once it answers again the case is resolved by itself; parcels that "
        "stay silent then become cases of their own."
    ),
    Kind.OUT_OF_STOCK: _(
        "No warehouse of the shop can send what is left of this order: see the reason. It is routed again by itself once "
        "a warehouse reports stock; otherwise refund the order, or ask the buyer to wait."
    ),
    Kind.DISPATCH_UNANSWERED: _(
        "The warehouse has confirmed no parcel of this instruction, though it was reminded; or its address could not be "
        "reached at all. Ring it up. If it does not send the goods, have another warehouse send them. The case is "
        "resolved by itself once the parcel is confirmed."
    ),
    Kind.DISPATCH_REFUSED: _(
        "The warehouse does not send this order: see its words. Put the reason right and send the instruction again, or "
        "have another warehouse send the goods."
    ),
    Kind.CANCEL_UNANSWERED: _(
        "The warehouse was told that these goods must stay, and has not answered: it may send them all the same. Ring it "
        "up and stop the parcel. The case is resolved by itself once the warehouse takes the message."
    ),
    Kind.STOCK_SHORT: _(
        "The warehouse counted less than its open instructions need. Ask it what is missing, and have another warehouse "
        "send the rest, or refund it."
    ),
    Kind.WAYBILL_UNKNOWN: _(
        "The carrier has not said for long whether it made the waybill. It is queried on and on under the same "
        "reference, so that no second one is made; the goods stay reserved. See the account's last problem, or ask the "
        "carrier by phone with the reference: cancel the waybill here if it has none."
    ),
    Kind.WAYBILL_REFUSED: _(
        "The carrier refused the waybill, and its goods are free again. See its words: correct the address, the account "
        "or the goods, and order a new waybill."
    ),
    Kind.WAYBILL_UNWANTED: _(
        "The carrier made this waybill, but the order must not ship, and the waybill could not be cancelled. Do not "
        "stick the label on a parcel. Cancel it with the carrier by phone, then mark it as cancelled here."
    ),
    Kind.NUMBER_MISSING: _(
        "The order is shipped, but no waybill number is known. Ask the warehouse which parcel it is in, and confirm it "
        "with its number; if it has not left, tell the buyer."
    ),
    Kind.PUSH_REJECTED: _(
        "Calls to the push address of this account are refused. See the log of carrier pushes: a wrong signature means "
        "that the keys at the carrier and here differ. Put the right ones in, then replay the refused pushes."
    ),
    Kind.PUSH_UNKNOWN: _(
        "The carrier pushes events of waybill numbers that no parcel here has. See the log of carrier pushes, outcome "
        "unknown number: a parcel that was not confirmed, or a number that was typed wrong. Once the number is known its "
        "pushes are applied by themselves."
    ),
    Kind.PUSH_STUCK: _(
        "A push could not be worked on, also after several tries. See its last problem in the log of carrier pushes, and "
        "replay it once the cause is gone. The next poll brings its events too."
    ),
    Kind.BY_RULE: _(
        "An automation rule wants a person to look at the order: do what it says, then resolve the case."
    ),
}
_GOODS_AND_MONEY = _(
    "The order was refunded in full, and the parcel was signed for all the same: the buyer has goods and money. Ask the "
    "buyer to send the goods back or to pay again, then resolve the case."
)
_SENT_BACK = _(
    "The parcel came back, and the order is refunded already: nothing is left to pay. Once the warehouse has the goods, "
    "put them on the shelf and resolve the case."
)
_NOT_CANCELLED = _(
    "The carrier did not cancel the waybill of this parcel: see its words. The parcel counts as sent, as before. If it "
    "must not leave, keep it back at the warehouse and ring up the carrier; otherwise resolve the case."
)
# Why a parcel must not arrive → what to do while it is on its way, and once it was signed for.
_UNWANTED: Mapping[str, tuple[Promise, Promise]] = {
    "held": (
        _(
            "The order is held, but its parcel is on its way. See why it is held. If it is all right, release the order; "
            "otherwise ring up the carrier, have the parcel stopped and sent back, and tell the warehouse."
        ),
        _(
            "The order is held, but its parcel was signed for. See why it is held. If it is all right, release the order; "
            "otherwise ask the buyer to send the goods back, and refund the order once the warehouse has them."
        ),
    ),
    "refunding": (
        _(
            "All of the order's money is being refunded, but its parcel is on its way. Ring up the carrier, have the "
            "parcel stopped and sent back, and ask the buyer not to take it."
        ),
        _(
            "All of the order's money is being refunded, but its parcel was signed for. Ask the buyer to send the goods "
            "back; withdraw the refund if they are kept."
        ),
    ),
    "order_refunded": (
        _(
            "The order was refunded in full, but its parcel is on its way. Ring up the carrier, have the parcel stopped "
            "and sent back, and ask the buyer not to take it."
        ),
        _GOODS_AND_MONEY,
    ),
    "order_closed": (
        _(
            "The order is closed and not paid, but its parcel is on its way. Ring up the carrier, have the parcel stopped "
            "and sent back, and ask the warehouse why it left."
        ),
        _(
            "The order is closed and not paid, but its parcel was signed for: the buyer has goods without having paid. Ask "
            "the buyer to pay or to send the goods back, and the warehouse why it left."
        ),
    ),
}


# What speaks of goods that are to leave, and of nothing that may have left or that a carrier may have made.
_ABOUT_SENDING = (
    Kind.OUT_OF_STOCK,
    Kind.DISPATCH_REFUSED,
    Kind.DISPATCH_UNANSWERED,
    Kind.WAYBILL_REFUSED,
)
# Stored in English, shown in the reader's language by `orders.labels.note_label`.
NOTHING_TO_SEND = "nothing of the order is to be sent any more"
_ENDED = (OrderStatus.REFUNDED, OrderStatus.CLOSED)


def is_ended(order: Order) -> bool:
    """Whether an order is refunded in full or closed: nothing of it is to be sent."""
    return order.status in _ENDED


def why_unwanted(order: Order) -> str:
    """Why parcels of this order must not arrive, a key of `_UNWANTED`; empty where they may.

    A refund of a part stops nothing: it names no goods, only a sum.
    """
    if is_ended(order):
        return f"order_{order.status}"
    if order.held:
        return "held"
    pending = order.refunds_pending
    return "refunding" if pending and pending + order.refunded_amount >= order.total_amount else ""


def what_to_do(case: ShipmentException) -> str | Promise:
    """The advice for the person who works on the case, as its order and parcel stand now."""
    order, parcel = case.order, case.shipment
    if order is not None and order.status == OrderStatus.REFUNDED:
        if case.kind == Kind.ORDER_NOT_COMPLETED:
            return _GOODS_AND_MONEY
        if case.kind == Kind.RETURNED:
            return _SENT_BACK
    if case.kind == Kind.WAYBILL_VOID and case.detail.get("problem"):
        return _NOT_CANCELLED
    if case.kind == Kind.UNWANTED_PARCEL and order is not None and parcel is not None:
        on_its_way, signed_for = _UNWANTED.get(why_unwanted(order), (None, None))
        return (signed_for if parcel.delivered_at else on_its_way) or WHAT_TO_DO[case.kind]
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


@dataclass(frozen=True, slots=True)
class OrderCase:
    """A case of an order whose waybill is no parcel yet; `kind` is a `ShipmentException.Kind`."""

    kind: str
    order_id: int
    detail: Mapping[str, Any] = field(default_factory=dict)


def open_order_cases(found: Sequence[OrderCase]) -> int:
    """Insert the cases that are not open yet and publish an event for each; returns how many were opened.

    Call inside a transaction.
    """
    now = timezone.now()
    rows = [
        ShipmentException(kind=case.kind, order_id=case.order_id, detail=dict(case.detail), created_at=now)
        for case in sorted(found, key=lambda case: (case.order_id, case.kind))
    ]
    return _insert(rows, about="order")


def open_account_case(
    account: CarrierAccount, detail: Mapping[str, Any], *, kind: str = Kind.ACCOUNT_SILENT
) -> int:
    """Insert the case of an account unless it is open, and publish an event; returns how many were opened.

    Call inside a transaction.
    """
    case = ShipmentException(kind=kind, account_id=account.pk, detail=dict(detail), created_at=timezone.now())
    return _insert([case], about="account")


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodsCase:
    """A case about goods that cannot leave: of an order, of an order at a warehouse, or of a product on its shelf."""

    kind: str
    order_id: int | None = None
    warehouse_id: int | None = None
    product_id: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[int, int, str, str]:
        """Sorts cases in one order, as all inserts that ignore conflicts are."""
        return (self.order_id or 0, self.warehouse_id or 0, self.kind, self.product_id)


def open_goods_cases(cases: Sequence[GoodsCase]) -> int:
    """Insert the cases that are not open yet and publish an event for each; returns how many were opened.

    Call inside a transaction.
    """
    now = timezone.now()
    rows = [
        ShipmentException(
            kind=case.kind,
            order_id=case.order_id,
            warehouse_id=case.warehouse_id,
            product_id=case.product_id,
            detail=dict(case.detail),
            created_at=now,
        )
        for case in sorted(cases, key=lambda case: case.key)
    ]
    return _insert(rows, about="warehouse")


def resolve_order_cases(kind: str, order_ids: Collection[int], *, note: str = "sent after all") -> None:
    """Resolve the open cases of this kind of locked orders: their goods can leave."""
    if not order_ids:
        return
    rows = ShipmentException.objects.open().filter(kind=kind, order_id__in=order_ids)
    for case in rows.order_by("pk"):
        resolve(case, user=None, note=note)


def resolve_about_sending(order_ids: Collection[int]) -> None:
    """Resolve the open cases about the sending of these locked orders, of which nothing is to be sent any more."""
    if not order_ids:
        return
    rows = ShipmentException.objects.open().filter(kind__in=_ABOUT_SENDING, order_id__in=order_ids)
    for case in rows.order_by("pk"):
        resolve(case, user=None, note=NOTHING_TO_SEND)


def resolve_warehouse_cases(kind: str, places: Collection[tuple[int, int]], *, note: str) -> None:
    """Resolve the open cases of this kind about these locked orders at these warehouses, by order and warehouse id."""
    if not places:
        return
    rows = ShipmentException.objects.open().filter(
        kind=kind,
        order_id__in={order_id for order_id, _warehouse in places},
        warehouse_id__in={warehouse_id for _order, warehouse_id in places},
    )
    for case in rows.order_by("pk"):
        if (case.order_id, case.warehouse_id) in places:
            resolve(case, user=None, note=note)


def resolve_stock_cases(shelves: Collection[tuple[int, str]]) -> None:
    """Resolve the open cases of these products, by warehouse id and product, whose stock is enough again.

    Call inside a transaction that holds the locks of their stock.
    """
    if not shelves:
        return
    rows = ShipmentException.objects.open().filter(
        kind=Kind.STOCK_SHORT,
        warehouse_id__in={warehouse_id for warehouse_id, _product in shelves},
        product_id__in={product_id for _warehouse, product_id in shelves},
    )
    healed = [case for case in rows if (case.warehouse_id, case.product_id) in shelves]
    for case in sorted(healed, key=lambda case: case.pk):
        resolve(case, user=None, note="enough on the shelf again")


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
