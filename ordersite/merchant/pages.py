"""The start page and the merchant's order pages, composed from what the three apps say of an order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from logistics import about as logistics_about
from orders import about as orders_about
from orders.models import Merchant, Order, OrderStatus
from ordersite.merchant.access import for_members, merchant_of
from payments import about as payments_about

PAGE_SIZE = 20
ABOUT = (orders_about, payments_about, logistics_about)
# What concerns the merchant's people; staff see all of it in the back office.
TOPICS = frozenset({"order", "payment", "parcel", "message"})


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Staff and merchants go straight to their work; others see the doors."""
    if request.user.is_authenticated:
        if merchant_of(request):
            return redirect("shop-orders")
        if request.user.is_staff:
            return redirect("admin:index")
    return render(request, "merchant/home.html", {"demo": settings.DEMO_SHOP})


@dataclass(frozen=True, slots=True)
class Page:
    """One page of orders by keyset: no count, no offset, the last page is as fast as the first."""

    orders: list[Order]
    older: int | None
    is_first: bool


@require_safe
@for_members
def order_list(request: HttpRequest, merchant: Merchant) -> HttpResponse:
    status, term = request.GET.get("status", ""), request.GET.get("q", "").strip()
    rows = Order.objects.filter(merchant=merchant).select_related("merchant")
    if status in OrderStatus.values:
        rows = rows.filter(status=status)
    if term:
        rows = rows.filter(pk__in=find_orders(term, merchant))
    context = {
        "merchant": merchant,
        "page": cut_page(rows, request.GET.get("before", "")),
        "statuses": OrderStatus.choices,
        "status": status,
        "term": term,
    }
    return render(request, "merchant/orders.html", context)


def find_orders(term: str, merchant: Merchant) -> list[int]:
    """The shop's orders that any app knows for what a customer reads out: a number, a reference, a phone."""
    clean = term.replace("\x00", "")[:64]
    return [pk for about in ABOUT for pk in about.find(clean, merchant_id=merchant.pk)]


def cut_page(rows: QuerySet[Order], before: str) -> Page:
    after_first = before.isascii() and before.isdecimal() and len(before) < 19
    if after_first:
        rows = rows.filter(pk__lt=int(before))
    orders = list(rows.order_by("-pk")[: PAGE_SIZE + 1])
    more = len(orders) > PAGE_SIZE
    return Page(orders[:PAGE_SIZE], orders[PAGE_SIZE - 1].pk if more else None, not after_first)


@require_safe
@for_members
def order_detail(request: HttpRequest, merchant: Merchant, number: str) -> HttpResponse:
    """Another shop's order is not there: 404, as for a number that was never given."""
    order = get_object_or_404(
        Order.objects.select_related("merchant", "buyer"), merchant=merchant, number=number
    )
    entries = [entry for about in ABOUT for entry in about.timeline(order) if entry.topic in TOPICS]
    context: dict[str, Any] = {
        "merchant": merchant,
        "order": order,
        "lines": order.lines.all(),
        "next_step": next_step(order),
        "panels": [payments_about.panel(order)],
        "card": logistics_about.card(order),
        "timeline": sorted(entries, key=lambda entry: entry.at, reverse=True),
    }
    return render(request, "merchant/order.html", context)


def next_step(order: Order) -> str:
    """One sentence: where the order is and what happens next."""
    if order.held:
        return _("This order is held for review. It does not ship until it is released.")
    if order.is_stopped_by_refund:
        return _("Money of this order is on its way back. It does not ship until that has ended.")
    return {
        "pending": _("Waiting for the buyer's payment."),
        "paid": _("Paid. Waiting for the warehouse to ship."),
        "shipped": _("On its way to the buyer."),
        "completed": _("Signed for. Nothing left to do."),
        "closed": _("Closed without payment."),
        "refunded": _("The money went back to the buyer."),
    }[str(order.status)]
