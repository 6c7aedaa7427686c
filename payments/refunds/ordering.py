"""One try of a refund at its provider: order it, or ask what became of it. No database: runs in threads.

A time-out is an error here and never an answer: it says nothing about the money.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext_lazy as _

from ordersite.lib.errors import OutsideError
from ordersite.lib.http import Gateway
from payments.accounts import notify_url
from payments.models import RefundRequest
from payments.providers.base import AccountKeys, Provider, RefundAnswer, RefundOrder, RefundState
from payments.providers.registry import get_provider

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Try:
    """`is_order`: tell the provider to give the money back, else ask. `lease` is what the claim wrote.

    `keys` None: the account's secrets cannot be read. The request comes with its payment and account.
    """

    request: RefundRequest
    keys: AccountKeys | None
    is_order: bool
    lease: datetime


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a try: an answer or an error."""

    one: Try
    answer: RefundAnswer | None = None
    error: OutsideError | None = None

    @property
    def outage(self) -> bool:
        """The other side did not do its part; a plain business refusal is an answer like any other."""
        return self.error is not None and self.error.code != "provider_refused"

    @property
    def is_nothing_there(self) -> bool:
        """Whether the provider has no such refund for sure, so that the next try orders it."""
        if self.error:
            return self.one.is_order and self.error.outcome_known
        return self.answer is not None and self.answer.state is RefundState.NOT_DONE


def refund_gap(provider: Provider) -> timedelta:
    """How long its refunds of one trade must lie apart; nothing where the adapter does not say."""
    gap: timedelta = getattr(provider, "refund_gap", timedelta(0))
    return gap


def order_of(request: RefundRequest) -> RefundOrder:
    """The request in the adapters' words: the same in every try, so that all tries are one refund."""
    payment = request.payment
    return RefundOrder(
        reference=payment.reference,
        refund_reference=request.reference,
        amount=request.amount,
        payment_amount=payment.amount,
        requested_at=request.decided_at or request.created_at,
        paid_at=payment.paid_at,
        notify_url=notify_url(payment.account),
        # A person's words may be shown to the buyer, who cannot use those of a rule.
        reason=request.reason if request.proposer_id else "",
        currency=payment.currency,
        provider_reference=payment.provider_reference,
    )


def attempt(one: Try, gateway: Gateway) -> Tried:
    """One call to the provider (two where its answer alone says nothing); never raises."""
    try:
        return Tried(one, answer=_exchange(one, gateway))
    except OutsideError as error:
        return Tried(one, error=error)
    except Exception as error:  # the edge of a thread: the error is kept on the request by whoever records it
        logger.exception("refund failed", extra={"reference": one.request.reference})
        return Tried(one, error=_broken(error))


def _exchange(one: Try, gateway: Gateway) -> RefundAnswer:
    if one.keys is None:
        raise OutsideError(
            "provider_misconfigured", _("The account's secrets cannot be read."), retryable=False
        )
    provider = get_provider(one.keys.provider)
    call = provider.refund if one.is_order else provider.query_refund
    return call(order_of(one.request), one.keys, gateway)


def _broken(error: Exception) -> OutsideError:
    return OutsideError(
        "adapter_failed",
        _("The answer could not be worked on: %(detail)s"),
        retryable=True,
        outcome_known=False,
        detail=repr(error)[:150],
    )
