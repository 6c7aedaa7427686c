"""What this app refuses, by name."""

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


def already_resolved() -> DomainError:
    return DomainError("already_resolved", _("This case is resolved already."))


def note_missing() -> DomainError:
    return DomainError("note_missing", _("Say how the case was resolved."))


def unknown_account(slug: str) -> DomainError:
    return DomainError("unknown_account", _("There is no payment account %(slug)s."), slug=slug)


class ProviderUnavailable(DomainError):
    """No usable answer: the attempt is on record and is asked for later."""

    status = 502

    def __init__(self, reference: str) -> None:
        super().__init__(
            "provider_unavailable",
            _("The payment provider does not answer; payment %(reference)s is on record."),
            reference=reference,
        )


def account_disabled(slug: str) -> DomainError:
    return DomainError("account_disabled", _("Payment account %(slug)s takes no new payments."), slug=slug)
