"""The start page and the merchant's order pages, composed from what the three apps say of an order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from logistics import about as logistics_about
from orders import about as orders_about
from orders import phone_search
from orders.models import Merchant, Order, OrderStatus
from orders.truth.sentence import Truth, truth_of, truths_of
from ordersite.lib.errors import DomainError
from ordersite.lib.panels import Entry
from ordersite.merchant.access import for_members, merchant_of
from payments import about as payments_about

PAGE_SIZE = 20
ABOUT = (orders_about, payments_about, logistics_about)
# What concerns the merchant's people; staff see all of it in the back office.
TOPICS = frozenset({"order", "payment", "parcel", "message"})
# How calls were verified is for the back office: what they did to the order is an entry of its own.
TECHNICAL = frozenset({"payments_paymentnotification_change"})
# The events of a parcel stand on its card.
ON_CARD = frozenset({"admin:logistics_shipment_change"})


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

    rows: list[tuple[Order, Truth]]
    older: int | None
    is_first: bool


@require_safe
@for_members
def order_list(request: HttpRequest, merchant: Merchant) -> HttpResponse:
    status, term = request.GET.get("status", ""), request.GET.get("q", "").strip()
    rows = Order.objects.filter(merchant=merchant).select_related("merchant")
    if status in OrderStatus.values:
        rows = rows.filter(status=status)
    refusal = ""
    if term:
        try:
            rows = rows.filter(pk__in=find_orders(term, merchant, request.user))
        except DomainError as refused:
            rows, refusal = rows.none(), refused.message
    context = {
        "merchant": merchant,
        "page": cut_page(rows, request.GET.get("before", "")),
        "statuses": OrderStatus.choices,
        "status": status,
        "term": term,
        "refusal": refusal,
    }
    return render(request, "merchant/orders.html", context)


def find_orders(term: str, merchant: Merchant, user: AbstractBaseUser | AnonymousUser) -> list[int]:
    """The shop's orders that any app knows for what a customer reads out: a number, a reference, a whole phone.

    Raises `DomainError` too_many_phone_searches.
    """
    clean = term.replace("\x00", "")[:64]
    found = phone_search.find(clean, user, merchant_id=merchant.pk)
    others = (about for about in ABOUT if about is not orders_about)
    return found + [pk for about in others for pk in about.find(clean, merchant_id=merchant.pk)]


def cut_page(rows: QuerySet[Order], before: str) -> Page:
    after_first = before.isascii() and before.isdecimal() and len(before) < 19
    if after_first:
        rows = rows.filter(pk__lt=int(before))
    orders = list(rows.order_by("-pk")[: PAGE_SIZE + 1])
    more, shown = len(orders) > PAGE_SIZE, orders[:PAGE_SIZE]
    truths = truths_of(shown)
    listed = [(order, truths[order.pk]) for order in shown]
    return Page(listed, shown[-1].pk if more else None, not after_first)


@require_safe
@for_members
def order_detail(request: HttpRequest, merchant: Merchant, number: str) -> HttpResponse:
    """Another shop's order is not there: 404, as for a number that was never given."""
    order = get_object_or_404(
        Order.objects.select_related("merchant", "buyer"), merchant=merchant, number=number
    )
    truth = truth_of(order)
    entries = [entry for about in ABOUT for entry in about.timeline(order) if is_shown(entry)]
    context: dict[str, Any] = {
        "merchant": merchant,
        "order": order,
        "lines": order.lines.all(),
        "truth": truth,
        "pay_page": pay_page_of(order, truth),
        "panels": list(filter(None, (payments_about.panel(order), logistics_about.merchant_panel(order)))),
        "card": logistics_about.card(order, truth),
        "timeline": sorted(entries, key=lambda entry: entry.at, reverse=True),
    }
    return render(request, "merchant/order.html", context)


def pay_page_of(order: Order, truth: Truth) -> str:
    """The absolute address where the buyer pays the order; "" where nobody shall pay it, or it may be paid already."""
    if truth.has("silent") or not truth.allows_payment(order):
        return ""
    return settings.PUBLIC_BASE_URL + reverse("pay-order", args=[order.tracking_token])


def is_shown(entry: Entry) -> bool:
    """Whether an entry of the timeline concerns the merchant's people."""
    return entry.topic in TOPICS and entry.url_name not in TECHNICAL | ON_CARD
