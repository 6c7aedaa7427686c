"""The refusals of saving an outside account, by code."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError


def bad_account(slug: str, problems: Sequence[str]) -> DomainError:
    """The keys cannot be used; `problems` are whole sentences."""
    return DomainError(
        "bad_account",
        _("Account %(slug)s cannot be saved: %(problems)s"),
        slug=slug,
        problems=" ".join(problems),
    )


def account_of_another(slug: str) -> DomainError:
    """The slug belongs to an account of another merchant, or at another company."""
    return DomainError(
        "account_of_another",
        _("There is an account %(slug)s already, of another merchant or at another company."),
        slug=slug,
    )
