"""Queries a provider about an attempt and closes it there where wanted. No database: runs in threads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.urls import reverse

from ordersite.lib.http import Gateway
from payments.accounts.keys import notify_url
from payments.models import Payment
from payments.provider_calls.result import CallResult, answer_or_error, usable_keys
from payments.providers.registry import get_provider
from payments.providers.types import AccountKeys, Attempt, TradeResult, TradeState

ENDED = frozenset((TradeState.PAID, TradeState.REFUNDED, TradeState.CLOSED))


@dataclass(frozen=True, slots=True)
class StatusQuery:
    """A query about one attempt.

    `keys` None: the account's secrets cannot be read. `close`: the provider shall take no more money. `lease` (UTC):
    what the claim wrote into `next_query_at`; None where nothing was claimed.
    """

    payment: Payment
    keys: AccountKeys | None
    close: bool
    lease: datetime | None = None


@dataclass(frozen=True, slots=True)
class QueryResult(CallResult[TradeResult]):
    """`answer` and `error` are both empty where this account's provider can neither query nor close."""

    query: StatusQuery


def attempt_of(payment: Payment, *, openid: str = "") -> Attempt:
    """The payment as an adapter takes it, the same in every try; addresses are absolute.

    `openid`: the buyer's, where the payment shall be made inside WeChat.
    """
    return Attempt(
        reference=payment.reference,
        amount=payment.amount,
        currency=payment.currency,
        subject=payment.subject,
        created_at=payment.created_at,
        expires_at=payment.expires_at,
        notify_url=notify_url(payment.account),
        return_url=settings.PUBLIC_BASE_URL + reverse("pay-return", args=[payment.reference]),
        provider_reference=payment.provider_reference,
        openid=openid,
    )


def is_queryable(keys: AccountKeys) -> bool:
    """Whether this account's provider can be queried about an attempt or can close it."""
    provider = get_provider(keys.provider)
    return provider.can_query(keys) or provider.can_close(keys)


def query_provider(query: StatusQuery, gateway: Gateway) -> QueryResult:
    """Make up to three calls to the provider; never raises."""
    answer, error = answer_or_error(lambda: _exchange(query, gateway), reference=query.payment.reference)
    return QueryResult(query, answer=answer, error=error)


def _exchange(query: StatusQuery, gateway: Gateway) -> TradeResult | None:
    """Query first, then close: an answer «paid» is a payment, also where closing was wanted."""
    keys, attempt = usable_keys(query.keys), attempt_of(query.payment)
    provider = get_provider(keys.provider)
    answer = provider.query(attempt, keys, gateway) if provider.can_query(keys) else None
    if answer is not None and answer.state in ENDED:
        return answer
    if query.close and provider.can_close(keys):
        return provider.close(attempt, keys, gateway)
    return answer
