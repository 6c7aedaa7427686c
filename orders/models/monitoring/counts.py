"""Counts of what comes in, minute by minute and hour by hour."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

CREATED = "created"


class _Count(models.Model):
    """`count` attempts of one merchant ended so. `layer` is what stopped or held them; empty for orders created."""

    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, db_index=False, related_name="+", verbose_name=_("merchant")
    )
    outcome = models.CharField(max_length=12)
    layer = models.CharField(max_length=20, default="")
    count = models.PositiveIntegerField()

    class Meta:
        abstract = True


class MinuteCount(_Count):
    """What came in within a minute; `minute` counts minutes since 1970 (UTC). Kept for days."""

    minute = models.BigIntegerField()

    class Meta:
        verbose_name = _("count of a minute")
        verbose_name_plural = _("Monitoring")
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "minute", "outcome", "layer"], name="minute_count_once"
            )
        ]
        indexes = [models.Index(fields=["minute"], name="minute_count_minute")]

    def __str__(self) -> str:
        return f"{self.minute} {self.outcome} {self.count}"


class HourCount(_Count):
    """What came in within an hour; `hour` counts hours since 1970 (UTC). Kept for as long as «usual» looks back."""

    hour = models.BigIntegerField()

    class Meta:
        verbose_name = _("count of an hour")
        verbose_name_plural = _("counts of hours")
        constraints = [
            models.UniqueConstraint(fields=["merchant", "hour", "outcome", "layer"], name="hour_count_once")
        ]
        indexes = [models.Index(fields=["hour"], name="hour_count_hour")]

    def __str__(self) -> str:
        return f"{self.hour} {self.outcome} {self.count}"


class CountMark(models.Model):
    """Up to which minute (since 1970, exclusive) the rows of one source are counted."""

    source = models.CharField(max_length=20, primary_key=True)
    minute = models.BigIntegerField()

    class Meta:
        verbose_name = _("mark of the counters")
        verbose_name_plural = _("marks of the counters")

    def __str__(self) -> str:
        return self.source
