"""The page to which a buyer returns from the cashier. It believes its provider and our rows, never its query string."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from orders.models import OrderStatus
from payments.models import Payment, PaymentStatus
from payments.query import ask_now


@dataclass(frozen=True, slots=True)
class Shown:
    """What a buyer is told. `state` is waiting, paid, closed, refunded or late (paid after the order was closed)."""

    state: str
    title: str | Promise
    text: str | Promise
    tone: str


_SHOWN = {
    "waiting": Shown(
        "waiting",
        _("Confirming your payment"),
        _("We are asking the payment provider. This page turns by itself, usually within seconds."),
        "waiting",
    ),
    "paid": Shown("paid", _("Paid"), _("Thank you. The shop is preparing your order."), "good"),
    "closed": Shown(
        "closed",
        _("This payment was closed"),
        _("No money was taken. Go back to the shop to pay or to order again."),
        "plain",
    ),
    "refunded": Shown("refunded", _("Refunded"), _("The money is on its way back to you."), "plain"),
    "late": Shown(
        "late",
        _("Your money arrived, the order was closed"),
        _("The shop has been told and will send the money back or revive the order. You need not pay again."),
        "waiting",
    ),
}


@require_safe
@never_cache
def show_return(request: HttpRequest, reference: str) -> HttpResponse:
    payment = _fresh(reference)
    context = {"payment": payment, "order": payment.order, "shown": shown(payment)}
    return render(request, "payments/return.html", context)


@require_safe
@never_cache
def show_state(request: HttpRequest, reference: str) -> JsonResponse:
    """What the page asks for while it waits."""
    return JsonResponse({"state": shown(_fresh(reference)).state})


def _fresh(reference: str) -> Payment:
    """The attempt after the provider was asked, if it is undecided and nobody asked within 3 s."""
    attempts = Payment.objects.select_related("account", "order__merchant")
    payment = get_object_or_404(attempts, reference=reference)
    if state_of(payment) == "waiting" and ask_now(payment):
        payment = attempts.get(pk=payment.pk)
    return payment


def shown(payment: Payment) -> Shown:
    return _SHOWN[state_of(payment)]


def state_of(payment: Payment) -> str:
    if payment.status == PaymentStatus.PAID:
        return "late" if payment.order.status == OrderStatus.CLOSED else "paid"
    return {PaymentStatus.REFUNDED: "refunded", PaymentStatus.CLOSED: "closed"}.get(payment.status, "waiting")
