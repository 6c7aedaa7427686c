"""Orders a refund at its provider or queries its state. No database: runs in threads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ordersite.lib.http import Gateway
from payments.accounts.keys import notify_url
from payments.models import RefundRequest
from payments.provider_calls.result import CallResult, answer_or_error, usable_keys
from payments.providers.registry import get_provider
from payments.providers.types import AccountKeys, RefundInstruction, RefundResult, RefundState


@dataclass(frozen=True, slots=True)
class RefundCall:
    """A call about one refund: an order to give the money back where `is_order`, else a query.

    `lease` is what the claim wrote into `next_try_at`. `keys` None: the account's secrets cannot be read. The request
    comes with its payment and account.
    """

    request: RefundRequest
    keys: AccountKeys | None
    is_order: bool
    lease: datetime


@dataclass(frozen=True, slots=True)
class RefundCallResult(CallResult[RefundResult]):
    """The answer or the error of a call about a refund."""

    call: RefundCall

    @property
    def is_nothing_there(self) -> bool:
        """Whether the provider has no such refund for sure, so that the next try orders it."""
        if self.error:
            return self.call.is_order and self.error.outcome_known
        return self.answer is not None and self.answer.state is RefundState.NOT_DONE


def order_of(request: RefundRequest) -> RefundInstruction:
    """The request as an adapter takes it; the same in every call, so that all calls are one refund."""
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


def call_provider(call: RefundCall, gateway: Gateway) -> RefundCallResult:
    """Make the call to the provider (two where the first answer is not enough); never raises."""
    answer, error = answer_or_error(lambda: _exchange(call, gateway), reference=call.request.reference)
    return RefundCallResult(call, answer=answer, error=error)


def _exchange(call: RefundCall, gateway: Gateway) -> RefundResult:
    keys = usable_keys(call.keys)
    provider = get_provider(keys.provider)
    method = provider.refund if call.is_order else provider.query_refund
    return method(order_of(call.request), keys, gateway)
