"""What the refund desk refuses, by name."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError
from ordersite.lib.money import format_amount


def unknown_payment(payment_id: int) -> DomainError:
    return DomainError("unknown_payment", _("There is no payment #%(payment)s."), payment=payment_id)


def unknown_request(request_id: int) -> DomainError:
    return DomainError("unknown_request", _("There is no refund request #%(request)s."), request=request_id)


def not_permitted() -> DomainError:
    return DomainError("not_permitted", _("You do not have the right to do this."))


def reason_missing() -> DomainError:
    return DomainError("reason_missing", _("Say why."))


def bad_amount() -> DomainError:
    return DomainError("bad_amount", _("Give an amount in yuan above zero, with at most two decimals."))


def payment_not_paid(reference: str) -> DomainError:
    return DomainError(
        "payment_not_paid", _("Payment %(reference)s holds no money to give back."), reference=reference
    )


def refund_exceeds(reference: str, left: Decimal) -> DomainError:
    return DomainError(
        "refund_exceeds",
        _("Of payment %(reference)s no more than ¥%(left)s can be given back."),
        reference=reference,
        left=format_amount(left),
    )


def asked_just_now(reference: str) -> DomainError:
    return DomainError(
        "asked_just_now",
        _(
            "You asked for the same refund a moment ago: %(reference)s. If you mean a second one, wait a minute."
        ),
        reference=reference,
    )


def refund_not_offered(slug: str) -> DomainError:
    return DomainError(
        "refund_not_offered",
        _(
            "Account %(slug)s cannot be told to give money back. Refund at the provider itself; its notice is taken in."
        ),
        slug=slug,
    )


def already_decided(reference: str) -> DomainError:
    return DomainError(
        "already_decided", _("Refund request %(reference)s is decided already."), reference=reference
    )


def own_request(reference: str) -> DomainError:
    return DomainError(
        "own_request",
        _("Whoever asked for refund %(reference)s does not decide about it: a second person does."),
        reference=reference,
    )


def too_early(reference: str, minutes: int) -> DomainError:
    return DomainError(
        "too_early",
        _("Refund %(reference)s may be approved by its proposer alone after %(minutes)s minutes."),
        reference=reference,
        minutes=minutes,
    )


def above_limit(amount: Decimal) -> DomainError:
    return DomainError("above_limit", _("¥%(amount)s is above your limit."), amount=format_amount(amount))
