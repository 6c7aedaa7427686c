"""Dry runs: what a version would have done over past days."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.queue.models import QueueRow


class DryRun(QueueRow):
    """One version over the facts from `since` to `until` (UTC). Claimed while `done_at` is empty.

    `facts` were looked at, `matched` of them met the conditions, `busiest_hour` of these within one hour. `is_cut`: the
    span held more facts than are read, and only the newest were. `problem` is the code of why it has no result. A rule
    is switched on once a finished dry run of its current version has `looked_at`.
    """

    lease: ClassVar[timedelta] = timedelta(minutes=3)

    version = models.ForeignKey(
        "automation.RuleVersion",
        models.CASCADE,
        related_name="dry_runs",
        verbose_name=pgettext_lazy("rule", "version"),
    )
    since = models.DateTimeField(pgettext_lazy("dry run", "since"))
    until = models.DateTimeField(pgettext_lazy("dry run", "until"))
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        db_index=False,
        verbose_name=_("started by"),
    )
    created_at = models.DateTimeField(_("started at"), default=timezone.now)
    facts = models.PositiveIntegerField(default=0)
    matched = models.PositiveIntegerField(default=0)
    busiest_hour = models.PositiveIntegerField(default=0)
    is_cut = models.BooleanField(default=False)
    problem = models.CharField(max_length=40, default="", blank=True)
    looked_at = models.DateTimeField(null=True)
    looked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )

    class Meta:
        verbose_name = _("dry run")
        verbose_name_plural = _("dry runs")
        ordering = ("-id",)
        indexes = [models.Index(fields=["id"], name="dry_run_waiting", condition=Q(done_at__isnull=True))]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def is_finished(self) -> bool:
        return self.done_at is not None and not self.problem


class DryRunRow(models.Model):
    """A fact at which the version would have acted, with what it would have seen."""

    dry_run = models.ForeignKey(DryRun, models.CASCADE, related_name="rows", db_index=False)
    position = models.PositiveIntegerField()
    order = models.ForeignKey("orders.Order", models.PROTECT, related_name="+", db_index=False)
    fact = models.CharField(max_length=100)
    at = models.DateTimeField()
    seen = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("row of a dry run")
        verbose_name_plural = _("rows of dry runs")
        ordering = ("position",)
        constraints = [models.UniqueConstraint(fields=["dry_run", "position"], name="dry_run_row_position")]

    def __str__(self) -> str:
        return f"{self.dry_run_id}/{self.position}"
