"""What the checkout answers a buyer: where the order stands, or why there is none, in words for buyers.

The JSON is what `static/ordersite/submit-once.js` reads; docs/en/checkout.md describes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from orders.models import Merchant, Order
from orders.truth.sentence import truth_of
from ordersite.lib.errors import DomainError

# Refusals whose own words are for programs, by code.
_WORDS: dict[str, str | Promise] = {
    "request_in_progress": gettext_lazy(
        "Your order is just being taken. Wait a moment and submit once more: it is not ordered twice."
    ),
    "idempotency_key_reused": gettext_lazy(
        "The page was changed after it had been sent. Look at your order and submit once more."
    ),
    "idempotency_key_missing": gettext_lazy("This page is too old. Please reload it and submit once more."),
    "order_over": gettext_lazy(
        "This order was closed without payment. Nothing was taken; submit once more to order anew."
    ),
}
_STATUS = {"duplicate_suspected": 409, "order_not_payable": 409, "order_over": 409, "order_refused": 409}
# The key is none, or belongs to an order that takes no payment any more or to another content.
_NEW_KEY = frozenset({"idempotency_key_missing", "idempotency_key_reused", "order_over"})


# Beyond this a buyer reads «later».
_MOST_MINUTES = 90


@dataclass(frozen=True, slots=True)
class OrderLink:
    """The address where the buyer goes on with an order, and what it says."""

    url: str
    label: str


def link_of(order: Order) -> OrderLink:
    """To its payment where it can be paid, else to its tracking page."""
    if truth_of(order).allows_payment(order):
        return OrderLink(reverse("pay-order", args=[order.tracking_token]), _("Go to payment"))
    return OrderLink(reverse("track", args=[order.tracking_token]), _("See that order"))


def link_to(error: DomainError, merchant: Merchant) -> OrderLink | None:
    """Where the buyer goes on after a refusal about an order that is there.

    It is the session's own: a twin is an order of the same buyer, and an attempt was started by this very call.
    """
    order = _order_of(error, merchant)
    return link_of(order) if order else None


def _order_of(error: DomainError, merchant: Merchant) -> Order | None:
    number, reference = _number_of(error), error.params.get("reference")
    if not number and not reference:
        return None
    wanted = Q(number=number) if number else Q(payments__reference=reference)
    return Order.objects.filter(wanted, merchant=merchant).first()


def _number_of(error: DomainError) -> str:
    return str(error.params.get("order_number") or error.params.get("number") or "")


def order_over(order: Order) -> DomainError:
    return DomainError("order_over", _WORDS["order_over"], number=order.number)


def words_of(error: DomainError) -> str:
    """Say a refusal to a buyer: no rule's name, nothing that is for programs."""
    if error.code == "duplicate_suspected":
        number = error.params["order_number"]
        return _("You have just ordered the same: %(number)s. Go on with that order.") % {"number": number}
    minutes = -(-wait_of(error) // 60)
    if error.code == "order_refused" and 0 < minutes <= _MOST_MINUTES:
        later = ngettext(
            "The shop cannot take this order at the moment. Please try again in %(n)s minute.",
            "The shop cannot take this order at the moment. Please try again in %(n)s minutes.",
            minutes,
        )
        return later % {"n": minutes}
    return str(_WORDS.get(error.code, "")) or error.message


def wait_of(error: DomainError) -> int:
    """After how many seconds it may be sent again; 0 where the refusal does not say."""
    wait = getattr(error, "retry_after", None) or error.params.get("retry_after") or 0
    return int(wait)


def status_of(error: DomainError) -> int:
    return int(getattr(error, "status", None) or _STATUS.get(error.code, 422))


def twin_of(error: DomainError) -> str:
    """The number of the order that a second one may be ordered besides; "" where that is not the question."""
    return _number_of(error) if error.code == "duplicate_suspected" else ""


def made_json(order: Order, next_url: str) -> dict[str, Any]:
    """What a made or found order is answered with; `next` is where the browser goes at once."""
    link = link_of(order)
    return {"next": next_url, "order": order.number, "order_url": link.url, "order_label": link.label}


def refusal_json(error: DomainError, link: OrderLink | None) -> dict[str, Any]:
    answer: dict[str, Any] = {"code": error.code, "message": words_of(error), "new_key": needs_new_key(error)}
    if link:
        answer |= {"order_url": link.url, "order_label": link.label}
    return answer


def needs_new_key(error: DomainError) -> bool:
    """Whether the same key would be refused again."""
    return error.code in _NEW_KEY
