"""What the approvals engine refuses, by code."""

from __future__ import annotations

from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError
from ordersite.lib.money import format_amount


def not_allowed() -> DomainError:
    return DomainError("not_allowed", _("You do not have the right to do this."))


def beyond_limit(amount: Decimal, limit: Decimal) -> DomainError:
    return DomainError(
        "beyond_limit",
        _("¥%(amount)s is more than your role may decide (¥%(limit)s)."),
        amount=format_amount(amount),
        limit=format_amount(limit),
    )


def own_proposal() -> DomainError:
    return DomainError("own_proposal", _("Whoever proposes does not decide: ask a colleague."))


def too_soon(minutes: int) -> DomainError:
    return DomainError(
        "too_soon", _("You may decide alone, but only in %(minutes)d minutes."), minutes=minutes
    )


def already_decided(status: str | Promise) -> DomainError:
    return DomainError("already_decided", _("This is decided already: %(status)s."), status=status)


def not_the_proposer() -> DomainError:
    return DomainError("not_the_proposer", _("Only whoever proposed it can withdraw it."))


def decision_note_missing() -> DomainError:
    return DomainError("decision_note_missing", _("Say what you checked, or why not."))


def reason_missing() -> DomainError:
    return DomainError("reason_missing", _("Say why."))
