"""The page where a buyer chooses how to pay an order, behind the order's unguessable token.

The return page, the tracking page and the shop's refusal of a duplicate lead here: who pays another way pays the same
order. Anyone who has the address may pay it.
"""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from orders.models import Order
from orders.truth.sentence import truth_of
from ordersite.lib import crypto
from ordersite.lib.errors import DomainError
from ordersite.server.content_policy import leads_to_cashier
from payments.attempts.choices import choices_of, chosen_account, place_to_pay
from payments.attempts.errors import ProviderUnavailable
from payments.attempts.start import start_attempt
from payments.models import PaymentAccount
from payments.providers.registry import get_provider


class SeeOther(HttpResponseRedirect):
    """303: the browser goes on with GET."""

    status_code = 303


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@leads_to_cashier
def show_order(request: HttpRequest, token: str) -> HttpResponse:
    """Show the ways to pay an order; a POST starts an attempt and leads to its cashier. 404 for unknown tokens."""
    order = _order(token)
    if not truth_of(order).allows_payment(order):
        return SeeOther(reverse("track", args=[order.tracking_token]))
    if request.method != "POST":
        return _render(request, order)
    account = chosen_account(order, request.POST.get("account", "")[:40])
    if account is None:
        return _render(request, order, problem=_("Please choose how to pay."), status=400)
    return _start(request, order, account)


def _start(request: HttpRequest, order: Order, account: PaymentAccount) -> HttpResponse:
    try:
        return SeeOther(place_to_pay(start_attempt(order, account).payment))
    except ProviderUnavailable as error:
        provider = get_provider(account.provider).label
        problem = _("%(provider)s does not answer at the moment. Please choose another way, or try again.")
        return _render(request, order, problem=problem % {"provider": provider}, status=error.status)
    except DomainError as error:
        order.refresh_from_db()
        if not truth_of(order).allows_payment(order):
            return SeeOther(reverse("track", args=[order.tracking_token]))
        return _render(request, order, problem=error.message, status=409)


def _order(token: str) -> Order:
    """The order of a token, compared in constant time. Raises Http404."""
    order = Order.objects.select_related("merchant", "buyer").filter(tracking_token=token).first()
    if order is None or not crypto.same(order.tracking_token, token):
        raise Http404
    return order


def _render(request: HttpRequest, order: Order, *, problem: str = "", status: int = 200) -> HttpResponse:
    context = {"order": order, "choices": choices_of(order, truth_of(order)), "problem": problem}
    response = render(request, "payments/order.html", context, status=status)
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response
