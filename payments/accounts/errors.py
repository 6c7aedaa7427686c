"""The refusals of using a payment account, by code."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError


def unknown_account(slug: str) -> DomainError:
    return DomainError("unknown_account", _("There is no payment account %(slug)s."), slug=slug)


def account_disabled(slug: str) -> DomainError:
    return DomainError("account_disabled", _("Payment account %(slug)s takes no new payments."), slug=slug)
