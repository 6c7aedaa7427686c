"""The refusals of the approvals engine: one code for each meaning, whatever the kind of request."""

from __future__ import annotations

from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError
from ordersite.lib.money import display_amount


def unknown_request(request_id: int) -> DomainError:
    return DomainError("unknown_request", _("There is no request #%(request)s."), request=request_id)


def not_allowed() -> DomainError:
    return DomainError("not_allowed", _("You do not have the right to do this."))


def beyond_limit(amount: Decimal, limit: Decimal) -> DomainError:
    return DomainError(
        "beyond_limit",
        _("%(amount)s is more than your role may decide (%(limit)s)."),
        amount=display_amount(amount),
        limit=display_amount(limit),
    )


def own_proposal() -> DomainError:
    return DomainError(
        "own_proposal", _("A request is not decided by the person who made it: ask a colleague.")
    )


def too_early(minutes: int) -> DomainError:
    return DomainError(
        "too_early", _("You may decide alone, but only in %(minutes)d minutes."), minutes=minutes
    )


def already_decided(status: str | Promise) -> DomainError:
    return DomainError("already_decided", _("This is decided already: %(status)s."), status=status)


def not_the_proposer() -> DomainError:
    return DomainError("not_the_proposer", _("Only the person who proposed it can withdraw it."))


def not_refusable() -> DomainError:
    return DomainError("not_refusable", _("Such a request is approved, or left as it is."))


def proposal_waiting(subject: str | Promise) -> DomainError:
    return DomainError(
        "proposal_waiting", _("A request for %(subject)s waits for review already."), subject=subject
    )


def reason_missing() -> DomainError:
    return DomainError("reason_missing", _("Say why."))
