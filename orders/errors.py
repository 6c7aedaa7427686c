"""The errors of this app, by code."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from orders.models import OrderStatus
from ordersite.lib.errors import DomainError

# Reasons why an order refuses a change, by code; its status is a reason as well.
_REASONS: Mapping[str, str | Promise] = {
    "already_held": _("it is held already"),
    "busy": _("another payment is just being started"),
    "closing": _("it is being closed"),
    "held": _("it is held"),
    "refunding": _("all of its money is being refunded"),
    "not_held": _("it is not held"),
    "overdue": _("its time to pay is over"),
    "refund_under_way": _("a refund of it is under way"),
    "provider_not_asked": _("the payment provider has to be queried first"),
    "trigger_off": _("this way is switched off"),
}


def reason_of(code: str) -> str | Promise:
    """The text of a code: a key of `_REASONS` or a status, with or without the prefix `order_`."""
    state = code.removeprefix("order_")
    if state in OrderStatus.values:
        return OrderStatus(state).label
    return _REASONS.get(state, state)


def unknown_order(number: str) -> DomainError:
    return DomainError("unknown_order", _("There is no order %(number)s."), number=number)


def already_paid(number: str) -> DomainError:
    return DomainError("already_paid", _("Order %(number)s is paid already."), number=number)


def order_not_payable(number: str, status: str) -> DomainError:
    return DomainError(
        "order_not_payable",
        _("Order %(number)s cannot be paid now (%(reason)s)."),
        number=number,
        status=status,
        reason=reason_of(status),
    )


def refused(code: str, number: str) -> DomainError:
    """The order refuses a change; `code` is one that `reason_of` knows."""
    return DomainError(
        code, _("Order %(number)s refuses this (%(reason)s)."), number=number, reason=reason_of(code)
    )


def duplicate_suspected(number: str) -> DomainError:
    return DomainError(
        "duplicate_suspected",
        _("The same buyer has just ordered the same products: order %(order_number)s."),
        order_number=number,
    )


class OrderRefused(DomainError):
    """A strategy refuses it; which one is nobody's business outside. Time heals it after `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(
            "order_refused",
            _("This order cannot be taken at the moment. Please try again later, or ask the shop."),
            retry_after=retry_after,
        )


def invalid(**fields: str | object) -> DomainError:
    """The fields are valid one by one but do not fit together; each value describes the problem."""
    return DomainError(
        "invalid",
        _("Some fields are not right."),
        **{name: [str(problem)] for name, problem in fields.items()},
    )


class RequestInProgress(DomainError):
    """The first call with this key, or another of this buyer, is still running."""

    status = 409
    retry_after = 1

    def __init__(self) -> None:
        super().__init__("request_in_progress", _("The first request with this key is still running."))


class SameOrderInProgress(RequestInProgress):
    """Another call creates an order of the same buyer for the same products."""

    def __init__(self) -> None:
        DomainError.__init__(
            self, "request_in_progress", _("The same order of this buyer is just being created.")
        )


def idempotency_key_reused() -> DomainError:
    return DomainError("idempotency_key_reused", _("This key was used with another body before."))


def idempotency_key_missing() -> DomainError:
    return DomainError(
        "idempotency_key_missing", _("Give an Idempotency-Key header of 1 to 255 printable ASCII characters.")
    )
