"""Counts calls of outside machines that are not stored, so that nobody can fill the disk."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection, models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

# An account stores at most 500 rejected calls a day, of at most 64 KiB each. The first 400 are all stored, then one in
# 50, so that a flood in the morning does not hide a wrong key in the afternoon. The others are only counted.
REJECTED_PER_DAY, KEPT_WHOLE, SAMPLED = 500, 400, 50

logger = logging.getLogger(__name__)


class CountedCalls(models.Model):
    """Calls that are counted, not kept: too large, wrong method, unknown account, beyond the day's bound."""

    day = models.DateField(_("day"))
    path = models.CharField(_("path"), max_length=120)
    reason = models.CharField(_("reason"), max_length=30)
    calls = models.PositiveIntegerField(_("calls"), default=0)
    last_at = models.DateTimeField(_("last at"))

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.day} {self.path} {self.reason} ×{self.calls}"


def count_refused(model: type[CountedCalls], path: str, reason: str) -> None:
    """Count a call that is not stored. `path` must come from a small set: each path, reason and day is a row."""
    now, table = timezone.now(), model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (day, path, reason, calls, last_at) VALUES (%s, %s, %s, 1, %s) "
            f"ON CONFLICT (day, path, reason) DO UPDATE SET calls = {table}.calls + 1, last_at = excluded.last_at",
            [timezone.localdate(now), path[:120], reason[:30], connection.ops.adapt_datetimefield_value(now)],
        )


def count_safely(model: type[CountedCalls], path: str, reason: str) -> None:
    """Count a refused call; log a database error instead of raising, so that the response stays the same."""
    try:
        count_refused(model, path, reason)
    except DatabaseError as error:
        logger.warning("refused call not counted: %s", error.__class__.__name__, extra={"code": reason})


def may_keep(rejected_of_day: models.QuerySet[Any]) -> bool:
    """Return whether another rejected call may be stored beside these; a random sample beyond KEPT_WHOLE."""
    kept = rejected_of_day[:REJECTED_PER_DAY].count()
    return kept < REJECTED_PER_DAY and (kept < KEPT_WHOLE or secrets.randbelow(SAMPLED) == 0)
