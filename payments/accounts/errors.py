"""What saving and using a payment account refuses, by code."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError


def bad_account(slug: str, problems: Sequence[str]) -> DomainError:
    return DomainError(
        "bad_account",
        _("Payment account %(slug)s cannot be saved: %(problems)s"),
        slug=slug,
        problems=" ".join(problems),
    )


def account_of_another(slug: str) -> DomainError:
    return DomainError(
        "account_of_another",
        _("There is an account %(slug)s already, of another merchant or provider."),
        slug=slug,
    )


def unknown_account(slug: str) -> DomainError:
    return DomainError("unknown_account", _("There is no payment account %(slug)s."), slug=slug)


def account_disabled(slug: str) -> DomainError:
    return DomainError("account_disabled", _("Payment account %(slug)s takes no new payments."), slug=slug)
