"""What this app refuses, by name."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import DomainError
from ordersite.lib.money import format_amount


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


def openid_missing(number: str) -> DomainError:
    return DomainError(
        "openid_missing",
        _(
            "This account collects inside WeChat, and the openid of the buyer of order %(number)s is not known."
        ),
        number=number,
    )


def account_disabled(slug: str) -> DomainError:
    return DomainError("account_disabled", _("Payment account %(slug)s takes no new payments."), slug=slug)


# --- What two persons decide ---


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


def proposal_waiting(number: str) -> DomainError:
    return DomainError(
        "proposal_waiting", _("A request for order %(number)s waits for review already."), number=number
    )


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
        _("¥%(amount)s is not what the order costs (¥%(total)s)."),
        amount=format_amount(amount),
        total=format_amount(total),
    )


def account_of_another_shop(slug: str) -> DomainError:
    return DomainError(
        "account_of_another_shop", _("Account %(slug)s belongs to another merchant."), slug=slug
    )


def not_settled(outcome: str | Promise) -> DomainError:
    return DomainError("not_settled", _("Nothing was settled: %(outcome)s."), outcome=outcome)


def not_a_late_payment() -> DomainError:
    return DomainError(
        "not_a_late_payment", _("There is no money left of a payment that came after the order was closed.")
    )


def refund_under_way() -> DomainError:
    return DomainError("refund_under_way", _("This payment is being refunded: the order cannot be revived."))


def stock_not_confirmed() -> DomainError:
    return DomainError("stock_not_confirmed", _("Confirm first that the goods are in stock."))


def remedy_gone() -> DomainError:
    return DomainError("remedy_gone", _("This does not fit the case any more. Look at it again."))
