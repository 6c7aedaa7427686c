"""Rows for every page, with short and with long content: what the layout walk looks at.

It stands on the world of the access table, which has one plain row for each page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model, QuerySet
from django.test import RequestFactory
from django.utils import timezone

from logistics.carriers.types import CityStrip, TrackingStatus
from logistics.dispatch.route import apply_route
from logistics.models import CarrierAccount, CarrierCall, Shipment, ShipmentException
from logistics.models.case import ACCOUNT_KINDS, DISPATCH, OF_ORDER
from logistics.tests.builders import (
    build_paid,
    build_shipment,
    confirm,
    event,
    parcel_in,
    parcel_of,
    route_of,
)
from orders import machine
from orders.clients import add_client
from orders.models import Intercept, Merchant, Order, OrderLine
from orders.models.proposal import ProposalStatus
from orders.tests.builders import PATHS, build_merchant, build_order, build_order_in, move
from ordersite.automation.tests.rows import build_many
from ordersite.demo.checkout import WAYS
from ordersite.demo.seed import CHECKOUT_CLIENT
from ordersite.merchant_webhooks.models import WebhookDelivery
from ordersite.queue.models import AuditEntry
from ordersite.tests.access import build_visitors, build_world
from ordersite.tests.approval_cases import propose_keys, propose_limit
from ordersite.tests.layout.goods import build_bulk_jobs, build_dispatched, build_goods_cases, build_pushes
from ordersite.tests.layout.messages import build_messages
from ordersite.tests.layout.risk import build_reviews
from ordersite.tests.layout.statements import build_statements
from ordersite.tests.layout.webhooks import build_webhooks
from payments.accounts.save import save_account
from payments.attempts.start import start_attempt
from payments.models import (
    DeadCall,
    NotificationBody,
    Payment,
    PaymentAccount,
    PaymentException,
    PaymentExceptionStep,
    PaymentNotification,
    RefundRequest,
    RevivalRequest,
    SettlementRequest,
)
from payments.models.refund_request import RefundStatus
from payments.providers.alipay.tests.messages import PAYMENT
from payments.providers.unionpay.tests.messages import account as unionpay_keys
from payments.tests.builders import build_payment, build_webhook, new_reference, trade_number
from sandbox.tests.nobody import nobody

SENTENCE = "买家来电说已经付款，页面仍显示待付款；渠道流水 2026112822001424333014219981 与商户单号不符，请核对后处理。"
# Columns for words of people and of outside systems: they may be as long as the column.
FREE_TEXT = frozenset(
    {
        "reason", "decision_note", "resolution", "last_error", "last_answer", "last_problem", "hold_reason", "note",
        "file_name", "street", "name", "buyer_name", "text", "error", "object_repr", "change_message",
    }
)  # fmt: skip


@dataclass(slots=True)
class LayoutWorld:
    """`values` stand in addresses: pattern or model → value. `others` are further values of the same kinds, `own`
    values that one route alone takes."""

    values: dict[str, str]
    visitors: dict[str, User | None] = field(default_factory=dict)
    others: dict[str, list[str]] = field(default_factory=dict)
    own: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, key: str, *values: object) -> None:
        self.others.setdefault(key, []).extend(str(value) for value in values)


def long_text(most: int | None) -> str:
    """Return words that fill a column of `most` characters, at most 500 of them."""
    length = min(most or 500, 500)
    return (SENTENCE * (length // len(SENTENCE) + 1))[:length]


def build_layout_world() -> LayoutWorld:
    """Build rows in every state, short ones and long ones."""
    world = LayoutWorld(build_world())
    shop = build_merchant()
    world.visitors = build_visitors(shop)
    chief = world.visitors["superuser"]
    assert chief is not None
    busy = _orders(world, shop)
    _parcels(world, shop)
    _payments(world, shop)
    _notifications(world, busy)
    _cases(busy, chief)
    _requests(busy, chief)
    *shown, chosen = build_statements(sentence=SENTENCE, file_name=long_text(200))
    world.own["/admin/payments/statement/<int:object_id>/reading/"] = {"payments.statement": str(chosen)}
    world.add("payments.statement", *shown, chosen)
    _machinery()
    world.add("bulk_jobs.bulkjob", *build_bulk_jobs(Shipment.objects.latest("pk"), chief, sentence=SENTENCE))
    world.add("orders.holdreview", *(row.pk for row in build_reviews(busy, chief, sentence=SENTENCE)))
    build_messages(busy, chief, sentence=SENTENCE)
    webhooks = build_webhooks(shop, busy, sentence=SENTENCE)
    for key in ("merchant_webhooks.webhookendpoint", "<int:endpoint_id>"):
        world.add(key, *(row.pk for row in webhooks))
    world.add(
        "<int:delivery_id>",
        *WebhookDelivery.objects.filter(endpoint__in=webhooks).order_by("pk").values_list("pk", flat=True),
    )
    for key, rows in build_many(busy, chief, sentence=SENTENCE).items():
        world.add(key, *rows)
    request = RequestFactory().get("/")
    request.user = chief
    for page in admin.site._registry.values():
        _add_rows(world, page.model, page.get_queryset(request).order_by("pk"))
    return world


def _add_rows(world: LayoutWorld, model: type[Model], rows: QuerySet[Any]) -> None:
    """Stretch the newest of the rows that the page shows; one row of each status is looked at, and that one."""
    label = f"{model._meta.app_label}.{model._meta.model_name}"
    newest = rows.last()
    if newest is None:
        return
    if model is not Group:  # its name is the role
        stretch(newest)
    found = [newest.pk]
    if any(column.name == "status" for column in model._meta.concrete_fields):
        by_status = dict(rows.values_list("status", "pk"))
        found += by_status.values()
    known = {int(world.values.get(label, 0)), *map(int, world.others.get(label, []))}
    world.add(label, *(pk for pk in dict.fromkeys(found) if pk not in known))


def stretch(row: Model) -> None:
    """Fill the free texts of a row to their ends."""
    columns = [column for column in row._meta.concrete_fields if column.name in FREE_TEXT]
    changes = {column.name: long_text(column.max_length) for column in columns}
    if changes and row._meta.label not in ("orders.OrderEvent", "payments.PaymentExceptionStep"):
        type(row)._base_manager.filter(pk=row.pk).update(**changes)


def _orders(world: LayoutWorld, shop: Merchant) -> Order:
    """An order in each state, and one with all that can happen to one."""
    for status in PATHS:
        order = build_order_in(status, merchant=shop)
        world.add("<token>", order.tracking_token)
        world.add("<str:number>", order.number)
    busy = build_order(merchant=shop, total="98765432.10", quantity=3)
    for position in range(2, 6):
        OrderLine.objects.create(
            order=busy, position=position, product_id=f"thermos-stainless-500ml-limited-{position}",
            name=long_text(200), quantity=position, unit_price=Decimal(0), amount=Decimal(0),
        )  # fmt: skip
    move(busy, "pay", machine.NOTIFICATION)
    stretch(busy)
    Order.objects.filter(pk=busy.pk).update(
        held=True, is_important=True, refunds_pending=Decimal("1234567.80"), refunded_amount=Decimal("55.00")
    )
    world.add("orders.order", busy.pk)
    world.add("<token>", busy.tracking_token)
    world.add("<str:number>", busy.number)
    return Order.objects.get(pk=busy.pk)


def _parcels(world: LayoutWorld, shop: Merchant) -> None:
    """Parcels on their way, delivered, returned, silent, and an order of two parcels that is partly packed."""
    split = build_paid(merchant=shop, cups=3)
    first, second = (parcel_in(confirm(shop, parcel_of(split, cups=1))[0]) for _parcel in range(2))
    cities = CityStrip(
        origin="新疆维吾尔自治区乌鲁木齐市", current="内蒙古自治区呼和浩特市", destination="北京市"
    )
    steps = [TrackingStatus.PICKED_UP, *[TrackingStatus.IN_TRANSIT] * 10, TrackingStatus.OUT_FOR_DELIVERY]
    route = [
        event(
            hour * 60,
            status,
            f"快件到达第 {hour} 个转运中心，{SENTENCE if hour % 4 == 0 else '下一站北京'}",
            code="103",
        )
        for hour, status in enumerate(steps)
    ]
    apply_route(first, route_of(*route, cities=cities), next_check_in=timedelta(hours=2))
    apply_route(second, route_of(*route[:3]), next_check_in=timedelta(hours=2))
    silent, arrived, returned = (build_shipment(order=build_paid(merchant=shop)) for _parcel in range(3))
    signed = event(900, TrackingStatus.DELIVERED, "已签收，签收人：本人")
    apply_route(arrived, route_of(*route, signed, cities=cities), next_check_in=timedelta(hours=2))
    back = event(900, TrackingStatus.RETURNED, "快件已退回寄件人")
    apply_route(returned, route_of(*route, back), next_check_in=timedelta(hours=2))
    Shipment.objects.filter(pk=first.pk).update(insured_value=Decimal("123456.78"))
    of_account = ShipmentException.Kind.ACCOUNT_SILENT
    of_goods = set(map(ShipmentException.Kind, ("stock_short", *DISPATCH, *OF_ORDER, *ACCOUNT_KINDS)))
    for kind in set(ShipmentException.Kind) - of_goods:
        ShipmentException.objects.create(
            kind=kind,
            shipment=silent,
            order=silent.order,
            detail={"code": "order_refunded", "error": SENTENCE},
        )
    newest = CarrierAccount.objects.latest("pk")
    build_dispatched(silent, sentence=SENTENCE)
    build_pushes(newest)
    build_goods_cases(silent, newest, sentence=SENTENCE)
    ShipmentException.objects.create(
        kind=of_account,
        account=newest,
        detail={
            "parcels": 300_000,
            "silent_since": timezone.now().isoformat(),
            "problem": f"busy: {SENTENCE}",
        },
    )
    calls = [("query", 200, "ok"), ("query", None, "busy"), ("create_waybill", 500, "unknown")]
    for operation, status, result in calls:
        CarrierCall.objects.create(
            account=CarrierAccount.objects.latest("pk"), operation=operation, order=first.order,
            subject=first.tracking_number, http_status=status, duration_ms=12_345, result=result, detail=SENTENCE,
            request=f"https://poll.kuaidi100.com/poll/query.do\n{'customer=•••&' * 40}",
            response=json.dumps({"message": SENTENCE * 5, "data": [{"context": SENTENCE}] * 4}),
        )  # fmt: skip
    Intercept.objects.create(
        merchant=first.order.merchant, layer="strategy", outcome="held", strategy="device", code="",
        buyer_outside_id="b" * 64, buyer_phone="13800138000", products=["thermos-stainless-500ml-limited-2"] * 3,
        amount=Decimal("12345678.90"), device_id="x" * 100, client_ip="2001:db8:85a3::8a2e:370:7334",
        address=SENTENCE, order_number=first.order.number,
        seen={"count": 12, "threshold": 10, "window": 600, "value": "x1…", "counts": {"cup-1": 4}},
    )  # fmt: skip
    for parcel in (first, silent, arrived, returned):
        world.add("logistics.shipment", parcel.pk)
        world.add("orders.order", parcel.order_id)
        world.add("<token>", parcel.order.tracking_token)
        world.add("<str:number>", parcel.order.number)


def _payments(world: LayoutWorld, shop: Merchant) -> None:
    """The demonstration's checkout, and an attempt for each face of the pages before and after the cashier."""
    for name in (CHECKOUT_CLIENT, "ERP"):
        add_client(shop, name=name, scopes=["orders:write", "orders:read"])
    keys = unionpay_keys()
    unionpay = save_account(
        "demo-unionpay", provider="unionpay", merchant=shop, values={**keys.config, **keys.secrets}
    )
    for slug, provider in {way.slug: way.slug.split("-")[1] for way in WAYS}.items():
        if slug not in ("demo-unionpay", "demo-webhook"):
            PaymentAccount.objects.create(
                slug=slug, provider=provider, merchant=shop, sealed_secrets="v1:lost:AAAA"
            )
    webhook = build_webhook(query_url=f"{nobody()}/query", refund_url=f"{nobody()}/refund")
    form = start_attempt(build_order(merchant=shop), unionpay).payment
    world.own["/pay/go/<reference>/"] = {"<reference>": form.reference}
    world.own["/pay/order/<token>/"] = {"<token>": form.order.tracking_token}
    scan = build_payment(webhook, code_url="https://pay.example/scan/1")
    shown = [
        scan,
        build_payment(
            webhook,
            pay_url="https://pay.example/cashier",
            last_query_at=timezone.now() - timedelta(minutes=59),
        ),
        build_payment(webhook, status="closed"),
    ]
    for status, order_status in (("paid", "paid"), ("refunded", "refunded"), ("paid", "closed")):
        order = build_order_in(order_status, merchant=shop)
        shown.append(build_payment(webhook, order=order, status=status, paid_at=timezone.now()))
    world.add("<reference>", *(payment.reference for payment in shown))


def _notifications(world: LayoutWorld, order: Order) -> None:
    """One for each outcome; the last three with long bodies: a form, JSON, and bytes that are neither."""
    account = PaymentAccount.objects.get(slug="demo-webhook")
    rows = [
        PaymentNotification.objects.create(
            account=account, event_id=f"2026112800222140209024333014210{number:03d}", check_result="verified",
            outcome=outcome, kind="payment", reference=new_reference(), provider_reference=trade_number(),
            amount=order.total_amount, provider_state="TRADE_SUCCESS", body_digest="ab", done_at=timezone.now(),
            remote_address="2001:0db8:85a3:0000:0000:8a2e:0370:7334", answered_ms=12,
        )
        for number, outcome in enumerate(PaymentNotification.Outcome.values)
    ]  # fmt: skip
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "wechatpay-signature": "q8" * 170,
        "x-forwarded-for": ", ".join(["203.0.113.7"] * 12),
    }
    bodies = (
        urlencode({**PAYMENT, "body": SENTENCE, "passback_params": "a1B2" * 60}).encode(),
        json.dumps({"resource": {"ciphertext": "q8" * 400, "nonce": "x", "note": SENTENCE}}).encode(),
        b"\xff\xfe" * 300,
    )
    for row, body in zip(rows[-3:], bodies, strict=True):
        raw = NotificationBody(notification=row, headers=headers)
        raw.body = body
        raw.save()
        world.add("payments.paymentnotification", row.pk)


def _cases(order: Order, user: User) -> None:
    """A case of each kind about the same order, the last with a long log."""
    payment = build_payment(PaymentAccount.objects.get(slug="demo-webhook"), order=order, status="paid")
    detail = {
        "kind": "payment", "amount": "98765432.10", "expected_amount": "1.00", "currency": "USD", "error": SENTENCE * 2,
        "reference": payment.reference, "provider_reference": trade_number(), "last_answer": "provider_http_error",
    }  # fmt: skip
    for kind in PaymentException.Kind.values:
        case = PaymentException.objects.create(
            kind=kind, dedup_key=f"layout:{kind}", account=payment.account, order=order, payment=payment,
            amount=order.total_amount, detail=detail, owner=user,
        )  # fmt: skip
    for action in PaymentExceptionStep.Action.values:
        PaymentExceptionStep.objects.create(exception=case, action=action, user=user, note=long_text(500))


def _requests(busy: Order, chief: User) -> None:
    """Requests in each state, proposed by another than the one who looks."""
    proposer = User.objects.create_user("wanghaiyan.customer-service", is_staff=True)
    account = PaymentAccount.objects.get(slug="demo-webhook")
    by_chief: dict[str, Any] = {"decided_by": chief, "decided_at": timezone.now()}
    for status in ProposalStatus.values:
        decided = {} if status == "proposed" else by_chief
        order = busy if status == "proposed" else build_order_in("closed", merchant=busy.merchant)
        common = {
            "order": order, "amount": order.total_amount, "reason": long_text(500), "status": status,
            "proposer": proposer, **decided,
        }  # fmt: skip
        SettlementRequest.objects.create(account=account, provider_reference=trade_number(), **common)
        late = build_payment(account, order=order, status="paid", amount=order.total_amount + 1)
        RevivalRequest.objects.create(
            payment=late, stock_confirmed=True, stock_confirmed_by=proposer, **common
        )
    payment = Payment.objects.filter(order=busy, status="paid").latest("pk")
    for status in RefundStatus.values:
        decided = {} if status == "proposed" else {**by_chief, "decided_how": "person"}
        RefundRequest.objects.create(
            payment=payment, order=busy, account=account, reference=new_reference(), amount=Decimal("1234.50"),
            reason=long_text(200), status=status, proposer=proposer, **decided,
        )  # fmt: skip
    propose_limit(Group.objects.get(name="supervisor"), chief)
    propose_keys(account, chief)


def _machinery() -> None:
    """Long lines of the logs."""
    path = f"/notify/alipay/{'a' * 100}/"
    DeadCall.objects.create(
        at=timezone.now(),
        path=path,
        status=502,
        line_digest="cd",
        remote_address="2001:0db8:85a3::8a2e:0370:7334",
    )
    AuditEntry.objects.create(
        table_name="payments_paymentaccount", row_id=1, column_name="config", old_value="", changed_at=timezone.now(),
        new_value=json.dumps({"gateway_url": "https://openapi.alipay.com/" + "a" * 300}), database_user="staff: root",
    )  # fmt: skip
