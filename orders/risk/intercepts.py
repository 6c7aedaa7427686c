"""Writes the log of intercepted attempts, and forgets it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from orders.models import Intercept
from orders.risk.attempt import Attempt
from ordersite.database.retention import delete_in_batches

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InterceptNote:
    """One layer's answer: what it did, under which code, by which strategy, and what it had counted."""

    layer: str
    outcome: str
    code: str = ""
    order_number: str = ""
    strategy: str = ""
    seen: Mapping[str, object] = field(default_factory=dict)


def record(attempt: Attempt, notes: Sequence[InterceptNote]) -> None:
    """Keep these notes on one attempt.

    Trouble of the database is logged and not raised: the attempt was answered, and the answer counts.
    """
    try:
        with transaction.atomic():
            Intercept.objects.bulk_create([_row(attempt, note) for note in notes])
    except DatabaseError as error:
        logger.warning("intercepted attempts could not be kept: %s", error.__class__.__name__)


def forget_old() -> int:
    """Delete what is older than INTERCEPT_LOG_DAYS, in bounded batches; returns how many."""
    limit = timezone.now() - timedelta(days=settings.INTERCEPT_LOG_DAYS)
    return delete_in_batches(Intercept.objects.filter(at__lt=limit).order_by("at"))


def _row(attempt: Attempt, note: InterceptNote) -> Intercept:
    return Intercept(
        merchant_id=attempt.merchant_id,
        client_id=attempt.client_id,
        at=attempt.at,
        layer=note.layer,
        outcome=note.outcome,
        code=note.code,
        strategy=note.strategy,
        buyer_outside_id=attempt.buyer,
        buyer_phone=attempt.phone,
        products=list(attempt.products),
        product_set=attempt.draft.product_set,
        amount=attempt.amount,
        device_id=attempt.device_id,
        client_ip=attempt.client_ip,
        address=attempt.address[:400],
        key_digest=attempt.member,
        order_number=note.order_number,
        seen=dict(note.seen),
    )
