"""What this app refuses, by name."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError


def unknown_order(number: str) -> DomainError:
    return DomainError("unknown_order", _("There is no order %(number)s."), number=number)


def already_paid(number: str) -> DomainError:
    return DomainError("already_paid", _("Order %(number)s is paid already."), number=number)


def order_not_payable(number: str, status: str) -> DomainError:
    return DomainError(
        "order_not_payable",
        _("Order %(number)s cannot be paid: it is %(status)s."),
        number=number,
        status=status,
    )


def refused(code: str, number: str) -> DomainError:
    return DomainError(code, _("Order %(number)s refuses this: %(refusal)s."), number=number, refusal=code)


def duplicate_suspected(number: str) -> DomainError:
    return DomainError(
        "duplicate_suspected",
        _("The same buyer ordered the same products within this minute: order %(order_number)s."),
        order_number=number,
    )


def invalid(**fields: str | object) -> DomainError:
    """Fields that are each right and do not fit together; each value says what is wrong."""
    return DomainError(
        "invalid",
        _("Some fields are not right."),
        **{name: [str(problem)] for name, problem in fields.items()},
    )


class RequestInProgress(DomainError):
    """The first call with this key (or of this buyer) is still running."""

    status = 409
    retry_after = 1

    def __init__(self) -> None:
        super().__init__("request_in_progress", _("The first request with this key is still running."))


def idempotency_key_reused() -> DomainError:
    return DomainError("idempotency_key_reused", _("This key came with another body before."))


def idempotency_key_missing() -> DomainError:
    return DomainError(
        "idempotency_key_missing", _("Give an Idempotency-Key header of 1 to 255 printable ASCII characters.")
    )
