"""Errors of starting a payment attempt, by code."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError


class ProviderUnavailable(DomainError):
    """The provider gave no usable answer; the attempt is stored and polled later."""

    status = 502

    def __init__(self, reference: str) -> None:
        super().__init__(
            "provider_unavailable",
            _("The payment provider does not answer; payment %(reference)s is on record."),
            reference=reference,
        )


def openid_missing(number: str) -> DomainError:
    return DomainError(
        "openid_missing",
        _(
            "This account collects inside WeChat, and the openid of the buyer of order %(number)s is not known."
        ),
        number=number,
    )
