"""The public tracking page of an order behind an unguessable link, and its QR code."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_safe

from logistics.tracking import poll
from logistics.tracking_card import card, parcels_of
from orders.models import Order
from orders.truth.sentence import truth_of
from ordersite.lib import crypto, qr


@require_http_methods(["GET", "HEAD", "POST"])
def track(request: HttpRequest, token: str) -> HttpResponse:
    """Show the parcels; a POST queues them for polling if the minimum interval allows it. 404 for unknown tokens."""
    order = _order(token)
    if request.method == "POST":
        poll.poll_soon(parcels_of(order))
        return HttpResponseRedirect(_back(request, token))
    can_be_paid = order.is_payable and truth_of(order).allows_payment(order)
    context = {"order": order, "card": card(order), "can_be_paid": can_be_paid}
    response = render(request, "logistics/track.html", context)
    # Anyone who has the link may see the page, so no cache, search engine or referrer may keep or pass it on.
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@require_safe
def track_qr(_request: HttpRequest, token: str) -> HttpResponse:
    """Show the page's address as a QR code (SVG)."""
    order = _order(token)
    address = settings.PUBLIC_BASE_URL + reverse("track", args=[order.tracking_token])
    response = HttpResponse(qr.svg(address), content_type="image/svg+xml")
    response.headers["X-Robots-Tag"] = "noindex"
    return response


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
