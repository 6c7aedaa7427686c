"""The layers in front of the database: one visit to the store before an order is created, one after.

Redis away: nothing is counted and no fingerprint is known; orders are created all the same, and the database's
constraints against twins hold.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, replace

from django.db import DatabaseError

from orders import errors
from orders.models import InterceptLayer, InterceptOutcome, Order, OrderStatus
from orders.risk import brushing, intercepts
from orders.risk.attempt import Attempt
from orders.risk.grounds import Grounds
from orders.risk.intercepts import InterceptNote
from orders.risk.judged import NOTHING, Judged, judge
from orders.risk.snapshot import snapshot
from orders.risk.strategies import in_force, windows_of
from orders.risk.windows.store import store
from orders.risk.windows.window import Holder, StoreAway, Visit
from ordersite.lib.errors import DomainError

_LAYERS = {
    "request_in_progress": InterceptLayer.IDEMPOTENCY,
    "idempotency_key_reused": InterceptLayer.IDEMPOTENCY,
    "duplicate_suspected": InterceptLayer.TWIN,
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Passage:
    """What the layers say of an attempt: why it is refused and by which layer, and what the strategies make of it."""

    attempt: Attempt
    refusal: DomainError | None = None
    layer: str = ""
    judged: Judged = NOTHING

    @property
    def grounds(self) -> Grounds | None:
        """Why its order is born held."""
        return self.judged.grounds


def enter(attempt: Attempt) -> Passage:
    """Ask the layers about a valid attempt. `refused`, `created` or `replayed` must follow."""
    rules = in_force(snapshot(), attempt.merchant_id, attempt.at)
    windows = windows_of(attempt, rules)
    try:
        visit = store().visit(attempt, windows)
        judged = judge(attempt, rules, dict(zip(windows, visit.counts, strict=True)))
        return _passage(attempt, visit, judged)
    except StoreAway:
        return Passage(attempt)


def _passage(attempt: Attempt, visit: Visit, judged: Judged) -> Passage:
    """The fingerprint first: a buyer whom it refuses is shown the order that is there."""
    if visit.holder and (refusal := _refusal(attempt, visit.holder)):
        return Passage(attempt, refusal, InterceptLayer.FINGERPRINT, judged)
    if judged.refused_for:
        return Passage(attempt, errors.OrderRefused(judged.refused_for), InterceptLayer.STRATEGY, judged)
    return Passage(attempt, judged=judged)


def _refusal(attempt: Attempt, holder: Holder) -> DomainError | None:
    """Why another's fingerprint refuses the attempt; None where its order is closed or was never made."""
    if not holder.order_number:
        return errors.SameOrderInProgress()
    mine = Order.objects.filter(number=holder.order_number, merchant_id=attempt.merchant_id)
    if mine.exclude(status=OrderStatus.CLOSED).exists():
        return errors.duplicate_suspected(holder.order_number)
    return None if store().take_over(attempt, holder) else errors.SameOrderInProgress()


def created(passage: Passage, order_number: str) -> None:
    """The attempt has made this order: a repetition is pointed there."""
    with suppress(StoreAway):
        store().settle(passage.attempt, order_number)
    if passage.judged.notes:
        notes = [replace(note, order_number=order_number) for note in passage.judged.notes]
        intercepts.record(passage.attempt, notes)


def replayed(passage: Passage, order_number: str) -> None:
    """The attempt was a repetition under its own key."""
    note = InterceptNote(InterceptLayer.IDEMPOTENCY, InterceptOutcome.REPLAYED, order_number=order_number)
    intercepts.record(passage.attempt, [note])


def refused(passage: Passage, error: Exception) -> None:
    """The attempt has made no order; the next one finds the fingerprint free, unless the first is still running.

    One attempt too many holds the order that is there.
    """
    attempt = passage.attempt
    if not isinstance(error, errors.RequestInProgress):
        with suppress(StoreAway):
            store().release(attempt)
    if not isinstance(error, DomainError):
        return
    held = _hold_newest(attempt, passage.judged.brushing) if passage.judged.brushing else ""
    last = _note(passage, error)
    notes = [_of_refused(note, held, last.order_number) for note in passage.judged.notes]
    intercepts.record(attempt, [*notes, last])


def _hold_newest(attempt: Attempt, grounds: Grounds) -> str:
    """Hold the buyer's newest order; returns the number of the first that was held now.

    Trouble of the database is logged: the next attempt is one too many as well, and this one's answer is certain.
    """
    try:
        numbers = brushing.hold_newest(attempt.merchant_id, attempt.buyer, grounds.products, grounds)
    except DatabaseError as error:
        logger.warning("an order could not be held: %s", error.__class__.__name__)
        return ""
    return next(iter(numbers), "")


def _of_refused(note: InterceptNote, held: str, pointed_to: str) -> InterceptNote:
    """What would have held the order of a refused attempt is only logged, unless it has held one that was there."""
    if note.outcome != InterceptOutcome.HELD:
        return note
    if note.layer == InterceptLayer.ATTEMPTS and held:
        return replace(note, order_number=held)
    return replace(note, outcome=InterceptOutcome.LOGGED, order_number=pointed_to)


def _note(passage: Passage, error: DomainError) -> InterceptNote:
    is_running = isinstance(error, errors.RequestInProgress)
    return InterceptNote(
        layer=passage.layer if error is passage.refusal else _LAYERS.get(error.code, ""),
        outcome=InterceptOutcome.IN_PROGRESS if is_running else InterceptOutcome.REFUSED,
        code=error.code,
        order_number=str(error.params.get("order_number", "")),
    )
