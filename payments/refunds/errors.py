"""The refusals of a refund request; those of its approval are the engine's."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError
from ordersite.lib.money import display_amount, format_amount


def unknown_payment(payment_id: int) -> DomainError:
    return DomainError("unknown_payment", _("There is no payment #%(payment)s."), payment=payment_id)


def bad_amount() -> DomainError:
    return DomainError("bad_amount", _("Give an amount in yuan above zero, with at most two decimals."))


def payment_not_paid(reference: str) -> DomainError:
    return DomainError(
        "payment_not_paid", _("Payment %(reference)s holds no money to give back."), reference=reference
    )


def refund_exceeds(reference: str, left: Decimal) -> DomainError:
    return DomainError(
        "refund_exceeds",
        _("Of payment %(reference)s no more than %(shown)s can be given back."),
        reference=reference,
        left=format_amount(left),
        shown=display_amount(left),
    )


def requested_just_now(reference: str) -> DomainError:
    return DomainError(
        "asked_just_now",
        _(
            "You requested the same refund a moment ago: %(reference)s. If you mean a second one, wait a minute."
        ),
        reference=reference,
    )


def refund_not_offered(slug: str) -> DomainError:
    return DomainError(
        "refund_not_offered",
        _("Account %(slug)s offers no refunds. Refund at the provider itself; its notification is taken in."),
        slug=slug,
    )
