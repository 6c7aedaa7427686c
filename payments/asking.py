"""One question to a provider: what became of the attempt, and, where wanted, close it. No database: runs in threads.

A time-out is an error here and never an answer: it says nothing about the money.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway
from payments.accounts import notify_url
from payments.models import Payment
from payments.providers.base import AccountKeys, Attempt, TradeAnswer, TradeState
from payments.providers.registry import get_provider

# How long after the provider's own expiry a payment made in its last second may still become visible.
EXPIRY_GRACE = timedelta(minutes=2)
ENDED = frozenset((TradeState.PAID, TradeState.REFUNDED, TradeState.CLOSED))

logger = logging.getLogger(__name__)


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
class Answered:
    """`answer` and `error` both empty: this account can neither be asked nor told."""

    question: Question
    answer: TradeAnswer | None = None
    error: OutsideError | None = None

    @property
    def outage(self) -> bool:
        """The other side did not do its part; a plain business refusal is an answer like any other."""
        return self.error is not None and self.error.code != "provider_refused"


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
    try:
        return Answered(question, answer=_exchange(question, gateway))
    except OutsideError as error:
        return Answered(question, error=error)
    except Exception as error:  # the edge of a thread: the error is kept on the payment by whoever records it
        logger.exception("asking failed", extra={"reference": question.payment.reference})
        return Answered(question, error=_broken(error))


def _exchange(question: Question, gateway: Gateway) -> TradeAnswer | None:
    """Ask first, then close: an answer «paid» is a payment, whatever we wanted."""
    keys, attempt = question.keys, attempt_of(question.payment)
    if keys is None:
        raise OutsideError(
            "provider_misconfigured", _("The account's secrets cannot be read."), retryable=False
        )
    provider = get_provider(keys.provider)
    answer = provider.query(attempt, keys, gateway) if provider.can_query(keys) else None
    if answer is not None and answer.state in ENDED:
        return answer
    if question.close and provider.can_close(keys):
        return provider.close(attempt, keys, gateway)
    return answer


def _broken(error: Exception) -> OutsideError:
    return OutsideError(
        "adapter_failed",
        _("The answer could not be worked on: %(detail)s"),
        retryable=True,
        outcome_known=False,
        detail=repr(error)[:150],
    )
