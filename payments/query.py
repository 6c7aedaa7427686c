"""Active query: pending attempts are asked for on a widening schedule, and asked and closed where closing is wanted.

Nothing here calls the outside inside a transaction. What a provider answers goes through the payment door as a
finding; whatever is left undecided is asked for again.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F, Q
from django.utils import timezone

from ordersite.lib.crypto import CannotDecrypt
from ordersite.lib.http import Gateway
from payments import lane
from payments.accounts import keys_of
from payments.answers import record_answer
from payments.asking import Answered, Question, ask
from payments.closing import UNDECIDED
from payments.models import Payment, PaymentAccount
from payments.providers.base import AccountKeys

# One run of the lane; the next one comes 3 s later, so that at most one worker is kept busy by it.
SLICE_SECONDS = 2.5
# Turns are paced in fractions of a second: for so long a run waits for the next turn instead of ending.
PACE_SECONDS = 0.3
IDLE_SECONDS = 0.05
ASK_AT_MOST_EVERY = timedelta(seconds=3)

_LANE_GATEWAY = Gateway()
# Somebody is looking at the page: better «not known yet» soon than the answer late.
_PAGE_GATEWAY = Gateway(connect=1.0, read=3.0, write=2.0, pool=1.0)

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Running:
    """A turn whose questions are out."""

    turn: lane.Turn
    futures: list[Future[Answered]]

    @property
    def is_done(self) -> bool:
        return all(future.done() for future in self.futures)


def ask_providers() -> int:
    """Ask for what is due, account by account, for about SLICE_SECONDS; returns how many payments were asked for."""
    until = time.monotonic() + SLICE_SECONDS
    asked, running = 0, list[Running]()
    with ThreadPoolExecutor(lane.WORKERS, thread_name_prefix="lane") as pool:
        while True:
            waiting = _begin_turns(pool, running) if time.monotonic() < until else False
            if not running and not waiting:
                return asked
            asked += _collect(running)


def _begin_turns(pool: ThreadPoolExecutor, running: list[Running]) -> bool:
    """Begin turns while workers are free; returns whether an account has work that may begin in a moment."""
    now = timezone.now()
    accounts = lane.due_accounts(before=now + timedelta(seconds=PACE_SECONDS))
    for account in accounts:
        busy = sum(len(one.futures) for one in running)
        if busy + lane.TURN_SIZE <= lane.WORKERS and (turn := lane.take_turn(account)):
            questions = _questions(turn)
            running.append(
                Running(turn, [pool.submit(ask, question, _LANE_GATEWAY) for question in questions])
            )
    return bool(accounts)


def _questions(turn: lane.Turn) -> list[Question]:
    keys = readable_keys(turn.account)
    return [
        Question(payment, keys, close=payment.close_wanted_at is not None, lease=turn.lease)
        for payment in turn.payments
    ]


def readable_keys(account: PaymentAccount) -> AccountKeys | None:
    """None where the secrets cannot be opened: that is this account's trouble, and nobody else's."""
    try:
        return keys_of(account)
    except (CannotDecrypt, ValueError):
        logger.exception("account unusable", extra={"account": account.slug})
        return None


def _collect(running: list[Running]) -> int:
    """Wait a moment, record the turns that are done and give them back; returns how many payments that were."""
    open_calls = [future for one in running for future in one.futures if not future.done()]
    if open_calls:
        wait(open_calls, timeout=IDLE_SECONDS, return_when=FIRST_COMPLETED)
    elif not running:
        time.sleep(IDLE_SECONDS)
    finished = [one for one in running if one.is_done]
    for one in finished:
        running.remove(one)
        answers = [future.result() for future in one.futures]
        for answered in answers:
            _record(answered)
        lane.end_turn(one.turn, [answered.outage for answered in answers])
    return sum(len(one.futures) for one in finished)


def _record(answered: Answered) -> None:
    """The edge: an answer that cannot be recorded is kept as an error on its payment and does not stop the others."""
    try:
        record_answer(answered)
    except Exception as error:
        logger.exception("answer not recorded", extra={"reference": answered.question.payment.reference})
        Payment.objects.filter(pk=answered.question.payment.pk).update(last_answer=repr(error)[:200])


def ask_now(payment: Payment) -> bool:
    """Ask for one undecided attempt at once, whoever looks; at most every 3 s, and not while its account rests.

    Returns whether it was asked for. The payment instance is not refreshed.
    """
    if lane.is_resting(payment.account) or not _may_ask_again(payment):
        return False
    _ask_one(Question(payment, readable_keys(payment.account), close=False))
    return True


def close_now(payment: Payment) -> Answered | None:
    """Mark an attempt as to be closed, ask for it and close it at once; None when its account rests.

    Whatever comes of it, even our own death, the lane goes on from the mark.
    """
    now, rests = timezone.now(), lane.is_resting(payment.account)
    lease = now if rests else now + lane.TURN_LEASE
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
    failures = lane.note_calls(question.payment.account_id, [answered.outage])
    lane.rest_if_failing(question.payment.account_id, failures)
    return answered


def _may_ask_again(payment: Payment) -> bool:
    """One of all who look at the same moment may ask: a guarded UPDATE decides."""
    now = timezone.now()
    rested = Q(last_asked_at__isnull=True) | Q(last_asked_at__lte=now - ASK_AT_MOST_EVERY)
    undecided = Payment.objects.filter(rested, pk=payment.pk, status__in=UNDECIDED)
    return undecided.update(last_asked_at=now, queries=F("queries") + 1) == 1
