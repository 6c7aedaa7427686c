"""Pages of the buyer: the form that takes him to a cashier, and the page to which he returns.

They believe the provider and our rows, never what the browser brings along.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from orders.models import OrderStatus
from ordersite.lib import qr
from ordersite.lib.errors import OutsideError
from payments.attempts.start import form_of
from payments.models import Payment, PaymentStatus
from payments.polling.poll import query_now
from payments.providers.registry import get_provider

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a buyer is told. `state` is waiting, paid, closed, refunded or late (paid after the order was closed);
    scan is waiting with a code to be scanned."""

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
    "scan": Shown(
        "scan",
        _("Scan to pay"),
        _("Scan this code with your phone. This page turns by itself as soon as you have paid."),
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
def show_form(request: HttpRequest, reference: str) -> HttpResponse:
    """For providers whose cashier wants a form: a page that posts it, by itself where scripts run."""
    payment = get_object_or_404(
        Payment.objects.select_related("account", "order__merchant"), reference=reference
    )
    try:
        begun = form_of(payment)
    except OutsideError as error:
        logger.warning("no form for the cashier: %s", error, extra={"reference": reference})
        begun = None
    if begun is None:
        return redirect("pay-return", reference=reference)
    context = {"payment": payment, "order": payment.order, "begun": begun}
    return render(request, "payments/go.html", context)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def show_return(request: HttpRequest, reference: str) -> HttpResponse:
    """UnionPay sends the browser back with a POST; what it carries is not read."""
    if request.method == "POST":
        payment = get_object_or_404(Payment.objects.only("reference"), reference=reference)
        return HttpResponse(status=303, headers={"Location": reverse("pay-return", args=[payment.reference])})
    payment = _fresh(reference)
    scan = can_be_scanned(payment)
    context = {
        "payment": payment,
        "order": payment.order,
        "shown": _SHOWN["scan"] if scan else shown(payment),
        "scan": scan,
        "state": state_of(payment),
        "provider": get_provider(payment.account.provider).label if scan else "",
    }
    return render(request, "payments/return.html", context)


@require_safe
@never_cache
def show_code(request: HttpRequest, reference: str) -> HttpResponse:
    """What the buyer scans, as long as the attempt can be paid."""
    payment = get_object_or_404(Payment, reference=reference)
    if not can_be_scanned(payment):
        raise Http404
    response = HttpResponse(qr.svg(payment.code_url), content_type="image/svg+xml")
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@require_safe
@never_cache
def show_state(request: HttpRequest, reference: str) -> JsonResponse:
    """What the page asks for while it waits."""
    return JsonResponse({"state": shown(_fresh(reference)).state})


def _fresh(reference: str) -> Payment:
    """The attempt after the provider was asked, if it is undecided and nobody asked within 3 s."""
    attempts = Payment.objects.select_related("account", "order__merchant")
    payment = get_object_or_404(attempts, reference=reference)
    if state_of(payment) == "waiting" and query_now(payment):
        payment = attempts.get(pk=payment.pk)
    return payment


def can_be_scanned(payment: Payment) -> bool:
    """Whether the buyer can still pay by its code."""
    return (
        bool(payment.code_url)
        and state_of(payment) == "waiting"
        and not payment.close_wanted_at
        and payment.expires_at > timezone.now()
    )


def shown(payment: Payment) -> Shown:
    return _SHOWN[state_of(payment)]


def state_of(payment: Payment) -> str:
    if payment.is_paid:
        return "late" if payment.order.status == OrderStatus.CLOSED else "paid"
    return {PaymentStatus.REFUNDED: "refunded", PaymentStatus.CLOSED: "closed"}.get(payment.status, "waiting")
