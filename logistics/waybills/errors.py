"""The refusals of ordering a waybill, by code."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from logistics import errors
from ordersite.lib.errors import DomainError


def unknown_account(slug: str) -> DomainError:
    return DomainError(
        "unknown_account", _("There is no carrier account “%(slug)s” in this shop."), slug=slug
    )


def account_disabled(slug: str) -> DomainError:
    return DomainError("account_disabled", _("The carrier account %(slug)s is switched off."), slug=slug)


def no_waybills(slug: str, carrier: str) -> DomainError:
    """The account's connector makes no waybills of this carrier."""
    return DomainError(
        "waybills_not_offered",
        _("The account %(slug)s makes no waybills of the carrier %(carrier)s."),
        slug=slug,
        carrier=carrier,
    )


def not_shippable(code: str) -> DomainError:
    """The order, its goods or the warehouse refuse a parcel; `code` is one of `errors.CONFIRMATIONS`."""
    return DomainError(code, errors.CONFIRMATIONS[code])


def waybill_refused(words: str | Promise) -> DomainError:
    """The carrier refused it; `words` are its own."""
    return DomainError("waybill_refused", _("The carrier refused the waybill: %(words)s"), words=words)


def waybill_cancelled() -> DomainError:
    return DomainError("waybill_cancelled", _("This waybill was cancelled."))


def label_missing() -> DomainError:
    return DomainError("label_missing", _("There is no label yet: the waybill has not been made."))


def parcel_has_left() -> DomainError:
    return DomainError(
        "parcel_has_left", _("The carrier has the parcel already: stop it by phone. Nothing was changed.")
    )


def cancel_not_offered(slug: str) -> DomainError:
    return DomainError(
        "cancel_not_offered",
        _("The account %(slug)s cannot cancel waybills: ring up the carrier."),
        slug=slug,
    )


def not_open() -> DomainError:
    """Nothing is left to cancel or to resolve."""
    return DomainError("waybill_settled", _("This waybill is settled already; nothing was changed."))
