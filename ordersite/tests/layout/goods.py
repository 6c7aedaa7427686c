"""Rows of the dispatch centre, of waybills and of pushes, in every kind that a page or a job reads."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from logistics.cases import GoodsCase, OrderCase, open_goods_cases, open_order_cases
from logistics.models import (
    CarrierAccount,
    CarrierNotification,
    Dispatch,
    DispatchLine,
    DispatchWebhook,
    DispatchWebhookAttempt,
    PushBody,
    Shipment,
    ShipmentException,
    Stock,
    StockMovement,
    Warehouse,
    WaybillLine,
    WaybillOrder,
)
from logistics.models.case import ACCOUNT_KINDS, OF_ORDER
from ordersite.bulk_jobs.models import BulkJob, BulkRow, RowResult


def build_dispatched(parcel: Shipment, *, sentence: str) -> None:
    """Build a fetched instruction for the goods of this parcel, its stock, and the lines of the ordered waybills."""
    line = parcel.lines.select_related("order_line").earliest("pk")
    product = line.order_line.product_id
    row = Dispatch(
        order_id=parcel.order_id,
        warehouse_id=parcel.warehouse_id,
        reasons={"distance": 0, "province": "浙江省", "cost": "5.00", "priority": 100, "parts": 2},
    )
    row.hand_out()
    row.save(force_insert=True)
    DispatchLine.objects.create(
        dispatch=row, order_line=line.order_line, product_id=product, quantity=line.quantity
    )
    stock = Stock.objects.create(
        warehouse_id=parcel.warehouse_id, product_id=product, on_hand=3, reserved=line.quantity
    )
    for number, (on_hand, reserved) in {
        "P" * 64: (1_000_000, 0),
        "cup-short": (1, 4),
        "cup-new": (None, 2),
    }.items():
        Stock.objects.create(
            warehouse_id=parcel.warehouse_id, product_id=number, on_hand=on_hand, reserved=reserved,
            counted_at=None if on_hand is None else timezone.now(),
        )  # fmt: skip
    build_webhook(row, sentence=sentence)
    StockMovement.objects.create(
        stock=stock,
        kind="reserved",
        quantity=line.quantity,
        on_hand=3,
        reserved=line.quantity,
        order_id=parcel.order_id,
    )
    for waybill in WaybillOrder.objects.all():
        WaybillLine.objects.create(waybill=waybill, order_line=line.order_line, quantity=line.quantity)


def build_webhook(row: Dispatch, *, sentence: str) -> None:
    """Build the message of this instruction to its warehouse, taken at the second try."""
    now = timezone.now()
    config = {"push_url": "https://wms.example.com/ordersite"}
    Warehouse.objects.filter(pk=row.warehouse_id).update(config=config)
    webhook = DispatchWebhook(
        dispatch=row, order_id=row.order_id, warehouse_id=row.warehouse_id, event="dispatch.created",
        webhook_id=f"msg_{row.pk:032}", next_try_at=now, attempts=2, last_status=200, last_try_at=now,
    )  # fmt: skip
    webhook.take(now)
    webhook.save(force_insert=True)
    for result, status, words in (("answered", 503, sentence), ("taken", 200, "")):
        DispatchWebhookAttempt.objects.create(
            webhook=webhook, result=result, http_status=status, words=words, duration_ms=20
        )


def build_pushes(account: CarrierAccount) -> None:
    """Build a push that waits, one that was applied and one that was refused."""
    now = timezone.now()
    results = (("verified", "", None), ("verified", "applied", now), ("rejected", "rejected", now))
    for serial, (checked, outcome, done_at) in enumerate(results):
        push = CarrierNotification.objects.create(
            account=account, check_result=checked, outcome=outcome, done_at=done_at, carrier="sf",
            tracking_number=f"SF{serial:013}", facts_digest=f"{serial:064}", body_digest=f"{serial:064}",
        )  # fmt: skip
        raw = PushBody(notification=push)
        raw.body = b"{}"
        raw.save(force_insert=True)


def build_goods_cases(parcel: Shipment, account: CarrierAccount, *, sentence: str) -> None:
    """Build a case of each kind about goods, waybills and pushes."""
    order_id, warehouse_id = parcel.order_id, parcel.warehouse_id
    refusal = {"refusal": "damaged", "message": sentence}
    with transaction.atomic():
        open_goods_cases(
            [
                GoodsCase(kind="out_of_stock", order_id=order_id, detail={"products": sentence}),
                GoodsCase(kind="dispatch_unanswered", order_id=order_id, warehouse_id=warehouse_id),
                GoodsCase(kind="cancel_unanswered", order_id=order_id, warehouse_id=warehouse_id),
                GoodsCase(
                    kind="dispatch_refused", order_id=order_id, warehouse_id=warehouse_id, detail=refusal
                ),
                GoodsCase(kind="stock_short", warehouse_id=warehouse_id, product_id="P-" + "9" * 60),
            ]
        )
        open_order_cases([OrderCase(kind, order_id, {"problem": sentence}) for kind in OF_ORDER])
    for kind in ACCOUNT_KINDS[1:]:
        detail = {"problem": sentence, "number": "SF" + "9" * 15}
        ShipmentException.objects.create(kind=kind, account=account, detail=detail)


def build_bulk_jobs(parcel: Shipment, person: User, *, sentence: str) -> list[int]:
    """Build a job that runs and one that failed, each with rows of every result; returns their keys."""
    made = []
    for operation, finished_at in (("poll_now", None), ("print_labels", timezone.now())):
        results = [*RowResult.values, *(() if finished_at else ("",))] * 14
        job = BulkJob.objects.create(
            operation=operation, started_by=person, total=len(results), finished_at=finished_at, reason=sentence[:200],
            counts=dict.fromkeys(RowResult.values, 14) if finished_at else {},
            file_problem="fault" if finished_at else "",
        )  # fmt: skip
        BulkRow.objects.bulk_create(
            BulkRow(
                job=job, position=position, subject_id=parcel.pk, name=parcel.tracking_number, result=result,
                code="label_unreadable" if result == RowResult.FAILED else "", done_at=timezone.now() if result else None,
                words=sentence if result == RowResult.SKIPPED else "",
            )
            for position, result in enumerate(results, start=1)
        )  # fmt: skip
        made.append(job.pk)
    return made
