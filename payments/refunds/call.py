"""One try of a refund at its provider: order it, or ask what became of it. No database: runs in threads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ordersite.lib.http import Gateway
from payments.accounts.keys import notify_url
from payments.models import RefundRequest
from payments.provider_calls.result import Called, opened, outcome
from payments.providers.registry import get_provider
from payments.providers.types import AccountKeys, RefundInstruction, RefundResult, RefundState


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
class Tried(Called[RefundResult]):
    """What came of a try: an answer or an error."""

    one: Try

    @property
    def is_nothing_there(self) -> bool:
        """Whether the provider has no such refund for sure, so that the next try orders it."""
        if self.error:
            return self.one.is_order and self.error.outcome_known
        return self.answer is not None and self.answer.state is RefundState.NOT_DONE


def order_of(request: RefundRequest) -> RefundInstruction:
    """The request in the adapters' words: the same in every try, so that all tries are one refund."""
    payment = request.payment
    return RefundInstruction(
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
    answer, error = outcome(lambda: _exchange(one, gateway), reference=one.request.reference)
    return Tried(one, answer=answer, error=error)


def _exchange(one: Try, gateway: Gateway) -> RefundResult:
    keys = opened(one.keys)
    provider = get_provider(keys.provider)
    call = provider.refund if one.is_order else provider.query_refund
    return call(order_of(one.request), keys, gateway)
