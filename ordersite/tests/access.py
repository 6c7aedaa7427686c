"""Every address of the product with a real row behind it, and who comes knocking."""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from logistics.models import (
    CarrierCall,
    CarrierNotification,
    Dispatch,
    RefusedPush,
    ShipmentException,
    StallRule,
    Stock,
    StockMovement,
    TrackingEvent,
)
from logistics.tests.builders import build_account, build_shipment, build_waybill_order
from orders.clients import add_client
from orders.models import (
    ChangeRequest,
    HistorySeal,
    HoldReview,
    Intercept,
    Merchant,
    MerchantMember,
    MinuteCount,
    MoneyLimit,
    Order,
    PhoneLook,
    WatchLimit,
)
from orders.tests.builders import build_merchant, build_order
from ordersite.automation.tests.rows import build_rows
from ordersite.bulk_jobs.models import BulkJob, BulkRow
from ordersite.health.models import Alert
from ordersite.lib.files import private
from ordersite.merchant_webhooks.models import WebhookDelivery
from ordersite.merchant_webhooks.queue import queue_event
from ordersite.merchant_webhooks.save import add_endpoint
from ordersite.messaging.models import (
    BuyerMessage,
    MessageAccount,
    MessageAttempt,
    MessageSettings,
    MessageTemplate,
    StopListEntry,
)
from ordersite.people.models import LoginFailure
from ordersite.people.throttle import Try
from ordersite.queue.models import Delivery
from ordersite.roles import ROLES
from payments.models import (
    BillFetch,
    DeadCall,
    NotificationBody,
    Payment,
    PaymentAccount,
    PaymentException,
    PaymentExceptionStep,
    PaymentNotification,
    Refund,
    RefundRequest,
    RefusedCall,
    RevivalRequest,
    SettlementFile,
    SettlementRequest,
    Statement,
    StatementLine,
    StatementMapping,
)
from sandbox.tests.nobody import nobody

VISITORS = ("anonymous", "merchant", *ROLES, "superuser")
# A regular expression of a route is written as its name alone: `(?P<token>[A-Z]{16})` as `<token>`.
_NAMED = re.compile(r"\(\?P<(\w+)>[^()]*\)")
REFERENCE = "A1B2C3D4E5F6G7H8J9"


@dataclass(frozen=True, slots=True)
class Route:
    """A route as the resolver writes it; `actions` are expanded, one route each."""

    text: str

    def path(self, values: Mapping[str, str]) -> str:
        """An address of this route with real values in it."""
        owner = re.match(r"/admin/(\w+)/(\w+)/", self.text)
        text = self.text
        if owner:
            text = text.replace("<path:object_id>", values.get(f"{owner[1]}.{owner[2]}", "0"))
            text = text.replace("<int:object_id>", values.get(f"{owner[1]}.{owner[2]}", "0"))
            text = text.replace("<id>", values.get(f"{owner[1]}.{owner[2]}", "0"))
        for pattern, value in values.items():
            text = text.replace(pattern, value)
        return text


def routes() -> list[Route]:
    """All of them, sorted; the one route of confirmed actions once for each action of its page."""
    found = set(_walk(get_resolver().url_patterns, "/"))
    expanded = {text for route in found for text in _expand(route)}
    return [Route(text) for text in sorted(expanded)]


def _walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
    for pattern in patterns:
        text = prefix + re.sub(r"^\^|\$$", "", _NAMED.sub(r"<\1>", str(pattern.pattern))).replace("\\.", ".")
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, text)
        else:
            yield text


def _expand(route: str) -> Iterator[str]:
    owner = re.fullmatch(r"/admin/(\w+)/(\w+)/<int:object_id>/do/<slug:code>/", route)
    if not owner:
        yield route
        return
    for model, page in admin.site._registry.items():
        if (model._meta.app_label, model._meta.model_name) == owner.groups():
            for action in getattr(page, "confirmed", ()):
                yield route.replace("<slug:code>", action.code)


def build_visitors(shop: Merchant) -> dict[str, User | None]:
    """One person of each kind; the merchant's user is no staff."""
    merchant = User.objects.create_user("merchant")
    MerchantMember.objects.create(merchant=shop, user=merchant, is_owner=True)
    staff = {role: User.objects.create_user(role, is_staff=True) for role in ROLES}
    for role, user in staff.items():
        user.groups.add(Group.objects.get(name=role))
    return {
        "anonymous": None,
        "merchant": merchant,
        **staff,
        "superuser": User.objects.create_superuser("root"),
    }


def build_world() -> dict[str, str]:
    """A row of every model that has a page, and what stands in addresses: pattern or model → value."""
    shop = build_merchant()
    order = build_order(merchant=shop)
    shipment = build_shipment()
    # The sealer itself waits for open transactions, and a test stands in one.
    HistorySeal.objects.create(
        first_id=1, last_id=1, lines=1, digest="ab", mac="ab", key_id="test", sealed_at=timezone.now()
    )
    rows = [order, shipment, shop, shipment.warehouse, *_payment_rows(order), *_machine_rows(order)]
    rows.append(ShipmentException.objects.create(kind="not_signed", shipment=shipment, order=shipment.order))
    rows.append(HoldReview.objects.create(order=order, merchant=shop, rule="suspected_brushing"))
    rows.append(Intercept.objects.create(merchant=shop, layer="twin", outcome="refused", amount=Decimal(9)))
    rows.append(StallRule.objects.create(merchant=shop, carrier="sf", no_news_hours=48))
    rows.append(WatchLimit.objects.create(merchant=shop, more_orders=20))
    rows.append(MinuteCount.objects.create(merchant=shop, minute=1, outcome="created", count=1))
    account = build_account(f"{nobody()}/query")
    rows += [account, build_waybill_order(shipment, account)]
    dispatch = Dispatch.objects.create(
        order=shipment.order, warehouse=shipment.warehouse, reasons={"distance": 2}
    )
    stock = Stock.objects.create(warehouse=shipment.warehouse, product_id="lid-9", on_hand=1)
    movement = StockMovement.objects.create(stock=stock, kind="counted", quantity=1, on_hand=1, reserved=0)
    rows += [dispatch, stock, movement]
    rows += [CarrierCall.objects.create(account=account, operation="query", result="ok")]
    rows += [
        CarrierNotification.objects.create(account=account, check_result="verified", body_digest="ab"),
        TrackingEvent.objects.create(
            shipment=shipment, at=timezone.now(), status="unknown", text="?", provider_code="999"
        ),
        RefusedPush.objects.create(
            day=timezone.localdate(), path="/push/yto/", reason="too_large", last_at=timezone.now()
        ),
    ]
    rows.append(add_client(shop, name="ERP", scopes=["orders:read"])[0])
    rows += _message_rows(order)
    rows += _webhook_rows(order)
    rows += build_rows(order)
    values = {f"{row._meta.app_label}.{row._meta.model_name}": str(row.pk) for row in rows}
    for model in admin.site._registry:
        label = f"{model._meta.app_label}.{model._meta.model_name}"
        if label not in values and (first := model._default_manager.order_by("pk").first()):
            values[label] = str(first.pk)
    return {
        **values,
        "<int:file_id>": values["payments.settlementfile"],
        **_in_addresses(order),
        **_of_webhooks(values),
    }


def _message_rows(order: Order) -> list[Model]:
    account = MessageAccount.objects.create(
        slug="shop-sms", channel="aliyun_sms", merchant=order.merchant, sealed_secrets="v1:lost:AAAA"
    )
    now = timezone.now()
    message = BuyerMessage.objects.create(
        merchant=order.merchant, order=order, event="order.created", key="x", outside_id="m1", account=account,
        recipient="138****8000", attempts=1, last_try_at=now, next_try_at=now,
    )  # fmt: skip
    message.succeed(now)
    message.save()
    MessageAttempt.objects.create(message=message, account=account, channel="aliyun_sms", result="sent")
    entry = StopListEntry.objects.create(
        merchant=order.merchant, kind="phone", digest="ab", masked="139****8000", reason="x"
    )
    text = MessageTemplate.objects.create(merchant=order.merchant, event="order.paid", text="{order_number}")
    return [account, message, entry, text, MessageSettings.objects.create(merchant=order.merchant)]


def _of_webhooks(values: Mapping[str, str]) -> dict[str, str]:
    return {
        "<int:endpoint_id>": values["merchant_webhooks.webhookendpoint"],
        "<int:delivery_id>": values["merchant_webhooks.webhookdelivery"],
    }


def _in_addresses(order: Order) -> dict[str, str]:
    return {
        "<str:number>": order.number,
        "<slug:number>": order.number,
        "<reference>": REFERENCE,
        "<token>": order.tracking_token,
        "<app_label>": "orders",
        "<path:content_type_id>": str(ContentType.objects.get_for_model(Order).pk),
        "<path:object_id>": str(order.pk),
        "<url>": "no-such-page/",
    }


def _webhook_rows(order: Order) -> list[Model]:
    endpoint = add_endpoint(order.merchant, url="https://hooks.example.com/", events=["order.paid"]).endpoint
    queue_event(endpoint.pk, name="order.paid", order_id=order.pk, data={"number": order.number}, key="1")
    delivery = WebhookDelivery.objects.get()
    delivery.deliver(timezone.now())
    delivery.save()
    return [endpoint, delivery]


def _payment_rows(order: Order) -> list[Model]:
    account = PaymentAccount.objects.create(
        slug="shop-alipay", provider="alipay", merchant=order.merchant, sealed_secrets="v1:lost:AAAA"
    )
    payment = Payment.objects.create(
        order=order,
        account=account,
        reference=REFERENCE,
        amount=order.total_amount,
        expires_at=order.close_due_at,
    )
    notice = PaymentNotification.objects.create(
        account=account,
        event_id="n1",
        check_result="rejected",
        reference=REFERENCE,
        body_digest="ab",
        done_at=timezone.now(),
    )
    raw = NotificationBody(notification=notice, headers={"authorization": "Bearer secret"})
    raw.body = b"sign=0123456789"
    raw.save()
    case = PaymentException.objects.create(kind="unknown_order", dedup_key="x", account=account)
    step = PaymentExceptionStep.objects.create(exception=case, action="taken")
    refund = Refund.objects.create(
        payment=payment, refund_reference="R1", amount=order.total_amount, refunded_at=timezone.now()
    )
    DeadCall.objects.create(at=timezone.now(), path="/notify/x/", status=499, line_digest="ab")
    refused = RefusedCall.objects.create(
        day=timezone.localdate(), path="/notify/x/", reason="too_large", calls=1, last_at=timezone.now()
    )
    rows = [account, payment, notice, case, step, refund, refused]
    return [*rows, *_proposals(payment), *_statement_rows(payment)]


def _statement_rows(payment: Payment) -> list[Model]:
    account = payment.account
    mapping = StatementMapping.objects.create(name="bank", amount_column="金额", time_column="时间")
    statement = Statement.objects.create(
        account=account, file_name="x.csv", sha256="ab", size=1, source="upload", status="matched",
        lines_total=1, missing_here=1, done_at=timezone.now(),
    )  # fmt: skip
    line = StatementLine.objects.create(
        statement=statement, account=account, number=1, kind="payment", reference=REFERENCE, amount=payment.amount,
        identity=uuid.UUID(int=1), result="missing_here", payment=payment,
    )  # fmt: skip
    fetch = BillFetch.objects.create(account=account, day=timezone.localdate(), state="empty", next_at=None)
    return [mapping, statement, line, fetch]


def _proposals(payment: Payment) -> list[Model]:
    proposer = User.objects.create_user("proposer")
    common = {"order": payment.order, "amount": payment.amount, "reason": "x", "proposer": proposer}
    request = SettlementRequest.objects.create(
        account=payment.account, provider_reference="BANK001", **common
    )
    stored = private.save(io.BytesIO(b"%PDF-1.7"), limit=100, kinds=["pdf"])
    file = SettlementFile.objects.create(
        request=request, stored_name=stored, file_name="x.pdf", size=8, sha256="ab", uploaded_by=proposer
    )
    revival = RevivalRequest.objects.create(payment=payment, **common)
    agents = Group.objects.get(name="agent")
    limit = MoneyLimit.objects.create(role=agents, action="propose_settlement", amount=payment.amount)
    shop = payment.order.merchant
    change = ChangeRequest.objects.create(
        kind="switches", subject=shop.slug, subject_id=shop.pk, merchant=shop,
        changes={"late_payments": ["ask", "refund"]}, proposer=proposer, reason="x",
        values={
            "late_payments": "refund", "allows_single_operator": False, "single_operator_wait_minutes": 30,
        },
    )  # fmt: skip
    back = RefundRequest.objects.create(
        payment=payment, order=payment.order, account=payment.account, reference="B1C2D3E4F5G6H7J8K9",
        amount=payment.amount, reason="x", proposer=proposer,
    )  # fmt: skip
    return [request, file, revival, limit, change, back]


def _machine_rows(order: Order) -> list[Model]:
    someone = User.objects.create_user("someone")
    delivery = Delivery.objects.create(
        handler="unknown",
        event="order.paid",
        subject_id=order.pk,
        event_at=timezone.now(),
        parked_at=timezone.now(),
    )
    look = PhoneLook.objects.create(user_id=someone.pk, username="someone", order_id=order.pk)
    entry = LogEntry.objects.create(
        user=someone, content_type=ContentType.objects.get_for_model(Order), object_id=str(order.pk),
        object_repr="x", action_flag=CHANGE, change_message="x",
    )  # fmt: skip
    alert = Alert.objects.create(kind=Alert.Kind.DELIVERY_PARKED, subject="unknown", text="order.paid #1")
    now = timezone.now()
    failure = LoginFailure.objects.create(
        digest=Try.of(HttpRequest(), "someone").digest,
        user=someone,
        address="127.0.0.1",
        failures=9,
        since=now,
        last_at=now,
    )
    return [delivery, look, entry, someone, alert, failure, _bulk_job(someone, order)]


def _bulk_job(someone: User, order: Order) -> BulkJob:
    """A finished job with a file and a row."""
    file = private.save(io.BytesIO(b"%PDF-1.7\n"), limit=100, kinds=("pdf",))
    job = BulkJob.objects.create(
        operation="print_labels",
        started_by=someone,
        total=1,
        counts={"done": 1},
        finished_at=timezone.now(),
        file=file,
    )
    BulkRow.objects.create(
        job=job, position=1, subject_id=order.pk, name=order.number, result="done", done_at=timezone.now()
    )
    return job
