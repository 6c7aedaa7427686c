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
    return DomainError(code, _("Order %(number)s refuses this: %(code)s."), number=number, code=code)
