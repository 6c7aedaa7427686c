"""The rules of a tracking link: how often an address may open one, and when it ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from orders.models import Order, OrderStatus
from ordersite.server.client_address import sender_of
from ordersite.server.request_rate import RequestRate

_RATE = RequestRate("track-rate", seconds=60)
View = Callable[..., HttpResponse]


def is_over(order: Order) -> bool:
    """Whether the link ended: TRACKING_LINK_DAYS after the order was completed, closed or refunded."""
    ended_at = {
        OrderStatus.COMPLETED: order.completed_at,
        OrderStatus.CLOSED: order.closed_at,
        OrderStatus.REFUNDED: order.refunded_at,
    }.get(OrderStatus(order.status))
    return ended_at is not None and ended_at + timedelta(days=settings.TRACKING_LINK_DAYS) <= timezone.now()


def over(request: HttpRequest) -> HttpResponse:
    """The answer at a link that has ended: 410, and nothing of the order."""
    return render(request, "logistics/link_over.html", status=410)


def public_link(view: View) -> View:
    """Answer 429 before any look-up to an address that opened TRACKING_VIEWS_A_MINUTE links within this minute.

    No cache, search engine or referrer may keep or pass on what is answered: anyone who has the link may see it.
    """

    @wraps(view)
    def answer(request: HttpRequest, token: str) -> HttpResponse:
        sender = sender_of(request.META, settings.TRUSTED_PROXIES)
        if _RATE.allows(sender, settings.TRACKING_VIEWS_A_MINUTE):
            response = view(request, token)
        else:
            response = render(request, "logistics/too_often.html", status=429)
            response.headers["Retry-After"] = str(_RATE.wait())
        response.headers["Cache-Control"] = "private, no-store"
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return answer
