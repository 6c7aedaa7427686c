"""Active query: pending attempts are asked for on a widening schedule, and asked and closed where closing is wanted.

Nothing here calls the outside inside a transaction. What a provider answers goes through the payment door as a
finding; whatever is left undecided is asked for again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils import timezone

from ordersite.lib.http import Gateway
from payments.models import Payment, PaymentAccount
from payments.models.payment import UNDECIDED
from payments.polling.call import Answered, Question, ask
from payments.polling.record import record_answer
from payments.provider_calls import throttle
from payments.provider_calls.runner import Work, readable_keys, run

ASK_AT_MOST_EVERY = timedelta(seconds=3)

# Somebody is looking at the page: better «not known yet» soon than the answer late.
_PAGE_GATEWAY = Gateway(connect=1.0, read=3.0, write=2.0, pool=1.0)


def ask_providers() -> int:
    """Ask for what is due, for about 2.5 seconds; returns how many payments were asked for."""
    return run(ASKING)


def _accounts(before: datetime) -> list[PaymentAccount]:
    return throttle.due_accounts(before=before)


def _questions(held: throttle.Hold) -> list[Question]:
    payments, keys = throttle.claim(held), readable_keys(held.account)
    return [
        Question(payment, keys, close=payment.close_wanted_at is not None, lease=held.lease)
        for payment in payments
    ]


def _payment(answered: Answered) -> Payment:
    return answered.question.payment


ASKING = Work("lane", _accounts, _questions, ask, record_answer, _payment)


def ask_now(payment: Payment) -> bool:
    """Ask for one undecided attempt at once, whoever looks; at most every 3 s, and not while its account rests.

    Returns whether it was asked for. The payment instance is not refreshed.
    """
    if throttle.is_resting(payment.account) or not _may_ask_again(payment):
        return False
    _ask_one(Question(payment, readable_keys(payment.account), close=False))
    return True


def close_now(payment: Payment) -> Answered | None:
    """Mark an attempt as to be closed, ask for it and close it at once; None when its account rests.

    Whatever comes of it, even our own death, the lane goes on from the mark.
    """
    now, rests = timezone.now(), throttle.is_resting(payment.account)
    lease = now if rests else now + throttle.TURN_LEASE
    undecided = Payment.objects.filter(pk=payment.pk, status__in=UNDECIDED)
    undecided.update(close_wanted_at=now, next_query_at=lease, last_asked_at=now, queries=F("queries") + 1)
    payment.close_wanted_at = now
    return (
        None
        if rests
        else _ask_one(Question(payment, readable_keys(payment.account), close=True, lease=lease))
    )


def _ask_one(question: Question) -> Answered:
    answered = ask(question, _PAGE_GATEWAY)
    record_answer(answered)
    failures = throttle.note_calls(question.payment.account_id, [answered.outage])
    throttle.rest_if_failing(question.payment.account_id, failures)
    return answered


def _may_ask_again(payment: Payment) -> bool:
    """One of all who look at the same moment may ask: a guarded UPDATE decides."""
    now = timezone.now()
    rested = Q(last_asked_at__isnull=True) | Q(last_asked_at__lte=now - ASK_AT_MOST_EVERY)
    undecided = Payment.objects.filter(rested, pk=payment.pk, status__in=UNDECIDED)
    return undecided.update(last_asked_at=now, queries=F("queries") + 1) == 1
