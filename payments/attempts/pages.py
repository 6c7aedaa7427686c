"""Pages for the buyer: the form that leads to a provider's cashier, and the page to which the buyer returns.

They trust the provider and our rows, never parameters of the browser.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
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
from orders.truth.sentence import Truth, truth_of
from ordersite.lib import qr
from ordersite.lib.errors import OutsideError
from ordersite.server.content_policy import leads_to_cashier
from payments.attempts.choices import choices_of
from payments.attempts.start import form_of, is_page_stale
from payments.models import Payment
from payments.polling.poll import query_now
from payments.providers.registry import get_provider
from payments.providers.types import TradeState

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BuyerMessage:
    """The text of the return page.

    `state` is waiting, one of its forms (scan: with a code to scan; unpaid: the provider has answered so), expired (with
    a code that cannot be scanned any more), paid, closed, over (closed with its order), refunded or late (paid after the
    order was closed). `is_unpaid`: the provider says that it has taken no money.
    """

    state: str
    title: str | Promise
    text: str | Promise
    tone: str
    is_unpaid: bool = False


_MESSAGES = {
    "waiting": BuyerMessage(
        "waiting",
        _("Confirming your payment"),
        _("We are querying the payment provider. This page moves on by itself, usually within seconds."),
        "waiting",
    ),
    "scan": BuyerMessage(
        "scan",
        _("Scan to pay"),
        _("Scan this code with your phone. This page turns by itself as soon as you have paid."),
        "waiting",
    ),
    "unpaid": BuyerMessage(
        "unpaid",
        _("Not paid yet"),
        _("If you have just paid, wait a moment: this page moves on by itself."),
        "plain",
        is_unpaid=True,
    ),
    "expired": BuyerMessage(
        "expired",
        _("This code has expired"),
        _("Nobody can pay with it any more; you get a new one."),
        "plain",
        is_unpaid=True,
    ),
    "paid": BuyerMessage("paid", _("Paid"), _("Thank you. The shop is preparing your order."), "good"),
    "closed": BuyerMessage(
        "closed",
        _("This payment was closed"),
        _("No money was taken."),
        "plain",
        is_unpaid=True,
    ),
    "over": BuyerMessage(
        "over",
        _("This payment was closed"),
        _("No money was taken. Go back to the shop to order again."),
        "plain",
    ),
    "refunded": BuyerMessage("refunded", _("Refunded"), _("The money is on its way back to you."), "plain"),
}
# By state of the attempt: where the order's truth has one of these codes, the attempt's own message says it all.
_NOTHING_MORE: Mapping[str, frozenset[str]] = {
    "waiting": frozenset({"pending"}),
    "scan": frozenset({"pending"}),
    "unpaid": frozenset({"pending"}),
    "expired": frozenset({"pending"}),
    "paid": frozenset({"paid"}),
    "closed": frozenset({"pending"}),
    "over": frozenset({"pending", "closed_unpaid"}),
    "refunded": frozenset({"paid", "shipped", "completed"}),
    "late": frozenset(),
}
_OF_ORDER: Mapping[str, str] = {
    OrderStatus.PENDING: "waiting",
    OrderStatus.CLOSED: "closed",
    OrderStatus.REFUNDED: "refunded",
}
# The states of an attempt that may still become paid.
_WAITING = frozenset({"waiting", "scan", "unpaid", "expired"})
# What polling records where nobody has paid yet.
_UNPAID = frozenset((str(TradeState.PENDING), str(TradeState.NOT_FOUND)))


@require_safe
@never_cache
@leads_to_cashier
def show_form(request: HttpRequest, reference: str) -> HttpResponse:
    """Show a page that posts the form of the provider's cashier, by itself where scripts run."""
    payment = get_object_or_404(
        Payment.objects.select_related("account", "order__merchant"), reference=reference
    )
    try:
        page = form_of(payment)
    except OutsideError as error:
        logger.warning("no form for the cashier: %s", error, extra={"reference": reference})
        page = None
    if page is None:
        return redirect("pay-return", reference=reference)
    context = {"payment": payment, "order": payment.order, "page": page}
    return render(request, "payments/go.html", context)


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@leads_to_cashier
def show_return(request: HttpRequest, reference: str) -> HttpResponse:
    """Show the buyer the state of the payment. UnionPay returns the browser with a POST, whose body is not read."""
    if request.method == "POST":
        payment = get_object_or_404(Payment.objects.only("reference"), reference=reference)
        return HttpResponse(status=303, headers={"Location": reverse("pay-return", args=[payment.reference])})
    payment = _fresh(reference)
    scan, truth = can_be_scanned(payment), truth_of(payment.order)
    message = message_of(_form_of(payment), truth)
    context = {
        "payment": payment,
        "order": payment.order,
        "message": message,
        "is_confirming": message is _MESSAGES["waiting"],
        "scan": scan,
        "state": state_of(payment),
        "provider": get_provider(payment.account.provider).label if scan else "",
        "choices": choices_of(payment.order, truth, without=payment.account if scan else None),
    }
    return render(request, "payments/return.html", context)


@require_safe
@never_cache
def show_code(request: HttpRequest, reference: str) -> HttpResponse:
    """Draw the QR code to scan; 404 once the attempt cannot be paid any more."""
    payment = get_object_or_404(Payment, reference=reference)
    if not can_be_scanned(payment):
        raise Http404
    response = HttpResponse(qr.svg(payment.code_url), content_type="image/svg+xml")
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@require_safe
@never_cache
def show_state(request: HttpRequest, reference: str) -> JsonResponse:
    """Answer the state, which the waiting return page polls; with `unpaid` once the provider says so."""
    payment = _fresh(reference)
    unpaid = {"unpaid": True} if _form_of(payment) == "unpaid" else {}
    return JsonResponse({"state": state_of(payment), **unpaid})


def _fresh(reference: str) -> Payment:
    """The attempt, after a query to the provider where it is undecided and was not queried within 3 s.

    Also where its order is paid another way or closed: who pays all the same shall read what became of the money.
    """
    attempts = Payment.objects.select_related("account", "order__merchant")
    payment = get_object_or_404(attempts, reference=reference)
    if query_now(payment):
        payment = attempts.get(pk=payment.pk)
    return payment


def can_be_scanned(payment: Payment) -> bool:
    """Whether the attempt has a code that can still be paid."""
    return bool(payment.code_url) and state_of(payment) == "waiting" and _is_code_alive(payment)


def _is_code_alive(payment: Payment) -> bool:
    is_over = payment.expires_at <= timezone.now() or is_page_stale(payment)
    return payment.close_wanted_at is None and not is_over


def message_of(state: str, truth: Truth) -> BuyerMessage:
    """What the page says of an attempt in this state: nothing else than what is true of its order."""
    line, words = truth.buyer_line, truth.buyer
    if line.code in _NOTHING_MORE[state] and not line.mark:
        return _MESSAGES[state]
    if state in _WAITING or state == "late":
        return BuyerMessage(state, words.title, words.text, "waiting")
    tone = "good" if line.tone in ("good", "moving") else "plain"
    return BuyerMessage(state, words.title, words.text, tone)


def state_of(payment: Payment) -> str:
    """The state that the page polls; it is shown anew when this changes.

    An attempt that nobody has to pay any more is what its order is.
    """
    status = payment.order.status
    if payment.is_paid:
        return "late" if status == OrderStatus.CLOSED else "paid"
    if not payment.is_undecided:
        return "refunded" if payment.is_refunded else "closed"
    is_dead = bool(payment.code_url) and payment.order.is_payable and not _is_code_alive(payment)
    return "expired" if is_dead else _OF_ORDER.get(status, "paid")


def _form_of(payment: Payment) -> str:
    """The key of the buyer's message: the state, and what the provider's last answer adds to it."""
    state, is_payable = state_of(payment), payment.order.is_payable
    if state == "closed":
        return state if is_payable else "over"
    if state != "waiting":
        return state
    if can_be_scanned(payment):
        return "scan"
    return "unpaid" if is_payable and payment.last_answer in _UNPAID else "waiting"
