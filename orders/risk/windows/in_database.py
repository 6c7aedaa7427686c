"""Fingerprints and counts in the database, for an installation without Redis: in one transaction before the order's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count
from django.utils import timezone

from orders.models import AttemptMark, FingerprintClaim
from orders.risk.attempt import Attempt
from orders.risk.windows.window import CREATED_SECONDS, RUNNING_SECONDS, Holder, Visit, Window
from ordersite.database.retention import delete_in_batches

_CLAIM = """
INSERT INTO orders_fingerprintclaim (fingerprint, member, order_number, expires_at) VALUES (%s, %s, '', %s)
ON CONFLICT (fingerprint) DO UPDATE SET member = excluded.member, order_number = '', expires_at = excluded.expires_at
WHERE orders_fingerprintclaim.expires_at <= %s
 OR (CAST(%s AS boolean) AND orders_fingerprintclaim.member <> excluded.member)
"""
_MARK = """
INSERT INTO orders_attemptmark ("window", member, expires_at) VALUES {rows}
ON CONFLICT ("window", member) DO UPDATE SET expires_at = excluded.expires_at
WHERE orders_attemptmark.expires_at <= %s
"""


class DatabaseStore:
    """The store of the embedded default."""

    def visit(self, attempt: Attempt, windows: Sequence[Window]) -> Visit:
        with transaction.atomic():
            holder = _claim(attempt)
            return Visit(holder, _count(attempt, windows) if windows else ())

    def take_over(self, attempt: Attempt, holder: Holder) -> bool:
        held = FingerprintClaim.objects.filter(
            fingerprint=attempt.fingerprint, member=holder.member, order_number=holder.order_number
        )
        until = attempt.at + timedelta(seconds=RUNNING_SECONDS)
        return bool(held.update(member=attempt.member, order_number="", expires_at=until))

    def settle(self, attempt: Attempt, order_number: str) -> None:
        until = attempt.at + timedelta(seconds=CREATED_SECONDS)
        FingerprintClaim.objects.bulk_create(
            [
                FingerprintClaim(
                    fingerprint=attempt.fingerprint,
                    member=attempt.member,
                    order_number=order_number,
                    expires_at=until,
                )
            ],
            update_conflicts=True,
            unique_fields=["fingerprint"],
            update_fields=["member", "order_number", "expires_at"],
        )

    def release(self, attempt: Attempt) -> None:
        FingerprintClaim.objects.filter(
            fingerprint=attempt.fingerprint, member=attempt.member, order_number=""
        ).delete()


def forget_expired() -> int:
    """Delete claims and marks whose time is over, in bounded batches; returns how many."""
    now = timezone.now()
    models = (AttemptMark, FingerprintClaim)
    return sum(
        delete_in_batches(model._default_manager.filter(expires_at__lte=now).order_by("expires_at"))
        for model in models
    )


def _claim(attempt: Attempt) -> Holder | None:
    """Claim the fingerprint; return who else holds it."""
    until = attempt.at + timedelta(seconds=RUNNING_SECONDS)
    values = [attempt.fingerprint, attempt.member, _adapted(until), _adapted(attempt.at)]
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [*values, attempt.draft.confirm_duplicate])
    found = FingerprintClaim.objects.get(fingerprint=attempt.fingerprint)
    return None if found.member == attempt.member else Holder(found.member, found.order_number)


def _count(attempt: Attempt, windows: Sequence[Window]) -> tuple[int, ...]:
    """Mark the attempt in each window, sorted so that two calls never wait for each other; return the counts."""
    digests = [window.digest(attempt.merchant_id) for window in windows]
    ends = {
        digest: attempt.at + timedelta(seconds=window.seconds)
        for digest, window in zip(digests, windows, strict=True)
    }
    values = [part for digest in sorted(ends) for part in (digest, attempt.member, _adapted(ends[digest]))]
    with connection.cursor() as cursor:
        cursor.execute(
            _MARK.format(rows=", ".join(["(%s, %s, %s)"] * len(ends))), [*values, _adapted(attempt.at)]
        )
    live = AttemptMark.objects.filter(window__in=digests, expires_at__gt=attempt.at)
    counts = dict(live.order_by().values_list("window").annotate(count=Count("pk")))
    return tuple(counts[digest] for digest in digests)


def _adapted(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)
