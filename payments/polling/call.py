"""One question to a provider: what became of the attempt, and, where wanted, close it. No database: runs in threads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.urls import reverse

from ordersite.lib.http import Gateway
from payments.accounts.keys import notify_url
from payments.models import Payment
from payments.provider_calls.result import Called, opened, outcome
from payments.providers.registry import get_provider
from payments.providers.types import AccountKeys, Attempt, TradeResult, TradeState

ENDED = frozenset((TradeState.PAID, TradeState.REFUNDED, TradeState.CLOSED))


@dataclass(frozen=True, slots=True)
class Question:
    """`close`: the provider shall take no more money. `lease`: what the claim wrote into next_query_at, if any.

    `keys` None: the account's secrets cannot be read.
    """

    payment: Payment
    keys: AccountKeys | None
    close: bool
    lease: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answered(Called[TradeResult]):
    """`answer` and `error` both empty: this account can neither be asked nor told."""

    question: Question


def attempt_of(payment: Payment, *, subject: str = "", openid: str = "") -> Attempt:
    """The payment in the adapters' words; addresses are absolute.

    `openid`: the buyer's, where the payment shall be made inside WeChat.
    """
    return Attempt(
        reference=payment.reference,
        amount=payment.amount,
        currency=payment.currency,
        subject=subject,
        created_at=payment.created_at,
        expires_at=payment.expires_at,
        notify_url=notify_url(payment.account),
        return_url=settings.PUBLIC_BASE_URL + reverse("pay-return", args=[payment.reference]),
        provider_reference=payment.provider_reference,
        openid=openid,
    )


def can_ask(keys: AccountKeys) -> bool:
    """Whether this account's provider can be asked about an attempt or told to close it."""
    provider = get_provider(keys.provider)
    return provider.can_query(keys) or provider.can_close(keys)


def ask(question: Question, gateway: Gateway) -> Answered:
    """Up to three calls to the provider; never raises."""
    answer, error = outcome(lambda: _exchange(question, gateway), reference=question.payment.reference)
    return Answered(question, answer=answer, error=error)


def _exchange(question: Question, gateway: Gateway) -> TradeResult | None:
    """Ask first, then close: an answer «paid» is a payment, whatever we wanted."""
    keys, attempt = opened(question.keys), attempt_of(question.payment)
    provider = get_provider(keys.provider)
    answer = provider.query(attempt, keys, gateway) if provider.can_query(keys) else None
    if answer is not None and answer.state in ENDED:
        return answer
    if question.close and provider.can_close(keys):
        return provider.close(attempt, keys, gateway)
    return answer
