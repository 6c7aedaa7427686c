"""The first page: what waits, since when, and where to find an order. Every number leads to its rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Count, Min, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from logistics.models import ShipmentException
from orders.models import Order, OrderStatus
from ordersite.admin.order_words import STATUS_TONES
from ordersite.rails.models import Delivery
from payments.models import PaymentException, PaymentNotification

# A number on the home page says «there is something»; beyond this nobody reads it exactly.
MOST = 1_000
_OPEN_CASES = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM payments_paymentexception WHERE resolved_at IS NULL LIMIT %s) AS p),
       (SELECT count(*) FROM (SELECT 1 FROM logistics_shipmentexception WHERE resolved_at IS NULL LIMIT %s) AS s)
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A number with a word, where its rows are, and since when the oldest waits (UTC)."""

    label: str | Promise
    count: str
    url: str
    oldest: datetime | None = None
    tone: str = "plain"


def fill_home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What unfold's index page is given, reduced to what this person may see."""
    may = request.user.has_perm
    context["title"] = _("Workbench")
    context["queues"] = [
        *(_cases(PaymentException, "payments") if may("payments.view_paymentexception") else []),
        *(_cases(ShipmentException, "logistics") if may("logistics.view_shipmentexception") else []),
    ]
    context["states"] = _states() if may("orders.view_order") else []
    context["lights"] = _lights(request)
    return context


def _cases(model: type[PaymentException] | type[ShipmentException], app: str) -> list[Waiting]:
    """The open cases by kind, the oldest first."""
    rows = (
        model._default_manager.filter(resolved_at__isnull=True)
        .order_by()
        .values("kind")
        .annotate(count=Count("id"), oldest=Min("created_at"))
        .order_by("oldest")
    )
    address = reverse(f"admin:{app}_{model._meta.model_name}_changelist")
    labels = dict(model.Kind.choices)
    return [
        Waiting(labels.get(row["kind"], row["kind"]), f"{row['count']:,}", f"{address}?kind__exact={row['kind']}",
                row["oldest"], "bad")
        for row in rows
    ]  # fmt: skip


def _states() -> list[Waiting]:
    address = reverse("admin:orders_order_changelist")
    states = [
        Waiting(
            OrderStatus(status).label,
            capped(Order.objects.filter(status=status)),
            f"{address}?status__exact={status}",
            tone=STATUS_TONES[status],
        )
        for status in (OrderStatus.PENDING, OrderStatus.PAID, OrderStatus.SHIPPED)
    ]
    held = Waiting(_("held"), capped(Order.objects.filter(held=True)), f"{address}?held__exact=1", tone="bad")
    return [*states, held]


def _lights(request: HttpRequest) -> list[Waiting]:
    """Queues of the machine: what is not done yet, with the age of the oldest."""
    lights = []
    if request.user.has_perm("payments.view_paymentnotification"):
        waiting = PaymentNotification.objects.filter(done_at__isnull=True)
        lights.append(
            _light(
                _("notifications waiting"),
                waiting,
                "received_at",
                "admin:payments_paymentnotification_changelist",
            )
        )
    if request.user.has_perm("rails.view_delivery"):
        waiting_deliveries = Delivery.objects.filter(parked_at__isnull=True)
        parked = Delivery.objects.filter(parked_at__isnull=False)
        address = "admin:rails_delivery_changelist"
        lights.append(_light(_("deliveries waiting"), waiting_deliveries, "event_at", address))
        lights.append(_light(_("deliveries parked"), parked, "event_at", address, query="?state=parked"))
    return lights


def _light(label: Promise, rows: QuerySet[Any], column: str, url_name: str, query: str = "") -> Waiting:
    oldest = rows.order_by("id").values_list(column, flat=True).first()
    return Waiting(label, capped(rows), reverse(url_name) + query, oldest, "waiting" if oldest else "good")


def capped(rows: QuerySet[Any]) -> str:
    """A count that reads at most MOST rows."""
    return _text(rows.order_by().values("pk")[: MOST + 1].count()) or "0"


def _open_cases(request: HttpRequest) -> tuple[str, str]:
    """Open payment and shipment exceptions; one statement a request, since every page shows them."""
    kept: tuple[str, str] | None = getattr(request, "open_cases", None)
    if kept is None:
        with connection.cursor() as cursor:
            cursor.execute(_OPEN_CASES, [MOST + 1, MOST + 1])
            payment, shipment = cursor.fetchone()
        kept = _text(payment), _text(shipment)
        request.open_cases = kept  # type: ignore[attr-defined]  # lives as long as the request
    return kept


def open_payment_exceptions(request: HttpRequest) -> str | None:
    """The number beside the queue in the navigation."""
    return _open_cases(request)[0] or None


def open_shipment_exceptions(request: HttpRequest) -> str | None:
    """The number beside the queue in the navigation."""
    return _open_cases(request)[1] or None


def _text(count: int) -> str:
    if not count:
        return ""
    return f"{MOST:,}+" if count > MOST else f"{count:,}"
