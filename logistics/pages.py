"""The public tracking page of an order behind an unguessable link, its QR code, and what its script asks for."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_safe

from logistics.public_link import is_over, over, public_link
from logistics.tracking import poll
from logistics.tracking_card import card, parcels_of, version_of
from orders.models import Order
from orders.truth.sentence import truth_of
from ordersite.lib import crypto, qr


@require_http_methods(["GET", "HEAD", "POST"])
@public_link
def track(request: HttpRequest, token: str) -> HttpResponse:
    """Show the parcels; a POST queues them for polling if the minimum interval allows it.

    404 for unknown tokens, 410 once the link has ended, 429 for an address that opens links too often.
    """
    order = _order(token)
    if is_over(order):
        return over(request)
    if request.method == "POST":
        poll.poll_soon(parcels_of(order))
        return HttpResponseRedirect(_back(request, token))
    can_be_paid = order.is_payable and truth_of(order).allows_payment(order)
    context = {"order": order, "card": card(order), "can_be_paid": can_be_paid}
    return render(request, "logistics/track.html", context)


@require_safe
@public_link
def track_qr(request: HttpRequest, token: str) -> HttpResponse:
    """Show the page's address as a QR code (SVG)."""
    order = _order(token)
    if is_over(order):
        return over(request)
    address = settings.PUBLIC_BASE_URL + reverse("track", args=[order.tracking_token])
    return HttpResponse(qr.svg(address), content_type="image/svg+xml")


@require_safe
@public_link
def track_state(request: HttpRequest, token: str) -> HttpResponse:
    """Answer `{"version": …}`, which changes when the page would say something else. Two queries."""
    order = _order(token)
    if is_over(order):
        return over(request)
    return JsonResponse({"version": version_of(order)})


def _order(token: str) -> Order:
    """The order of a token. One indexed look-up for any token, and a comparison in constant time. Raises Http404."""
    order = Order.objects.select_related("merchant").filter(tracking_token=token).first()
    if order is None or not crypto.same(order.tracking_token, token):
        raise Http404
    return order


def _back(request: HttpRequest, token: str) -> str:
    """The page that holds the button if it is on this site, else the tracking page."""
    wanted = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
        return wanted
    return reverse("track", args=[token])
