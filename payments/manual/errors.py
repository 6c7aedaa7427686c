"""What manual settlement and revival refuse, by code."""

from __future__ import annotations

from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError
from ordersite.lib.money import display_amount


def order_is_closed(number: str) -> DomainError:
    return DomainError(
        "order_is_closed",
        _(
            "Order %(number)s is closed. Money for it is a late payment: refund it, or propose to revive the order."
        ),
        number=number,
    )


def reference_malformed() -> DomainError:
    return DomainError(
        "reference_malformed",
        _("The provider's reference has 6 to 64 letters, digits, hyphens or underscores."),
    )


def reference_taken(reference: str, number: str) -> DomainError:
    return DomainError(
        "reference_taken",
        _("The provider's reference %(reference)s is used for order %(number)s already."),
        reference=reference,
        number=number,
    )


def evidence_missing() -> DomainError:
    return DomainError("evidence_missing", _("Evidence is needed: a statement line, or a file."))


def line_does_not_fit() -> DomainError:
    return DomainError(
        "line_does_not_fit",
        _("The statement line says something else: account, amount and reference have to be the same."),
    )


def line_taken(number: str) -> DomainError:
    return DomainError(
        "line_taken", _("The statement line is evidence for order %(number)s already."), number=number
    )


def amount_is_not_the_order(amount: Decimal, total: Decimal) -> DomainError:
    return DomainError(
        "amount_is_not_the_order",
        _("%(amount)s is not what the order costs (%(total)s)."),
        amount=display_amount(amount),
        total=display_amount(total),
    )


def account_of_another_shop(slug: str) -> DomainError:
    return DomainError(
        "account_of_another_shop", _("Account %(slug)s belongs to another merchant."), slug=slug
    )


def not_settled(outcome: str | Promise) -> DomainError:
    return DomainError("not_settled", _("Nothing was settled: %(outcome)s."), outcome=outcome)


def not_a_late_payment() -> DomainError:
    return DomainError(
        "not_a_late_payment",
        _("There is no money left of a payment that arrived after the order was closed."),
    )


def refund_under_way() -> DomainError:
    return DomainError("refund_under_way", _("This payment is being refunded: the order cannot be revived."))


def stock_not_confirmed() -> DomainError:
    return DomainError("stock_not_confirmed", _("Confirm first that the goods are in stock."))
