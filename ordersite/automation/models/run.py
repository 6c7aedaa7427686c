"""What rules did: a row for each rule and fact, with what it saw, and a row for each of its actions."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.queue.models import QueueRow


class RunState(models.TextChoices):
    """LOOP: a rule has caused the fact, too deep or this one itself. PAUSED: the rule was paused before it acted."""

    UNMATCHED = "unmatched", pgettext_lazy("run of a rule", "conditions not met")
    WAITING = "waiting", pgettext_lazy("run of a rule", "at work")
    DONE = "done", pgettext_lazy("run of a rule", "done")
    TROUBLE = "trouble", pgettext_lazy("run of a rule", "an action failed")
    LOOP = "loop", pgettext_lazy("run of a rule", "stopped: caused by a rule")
    PAUSED = "paused", pgettext_lazy("run of a rule", "stopped: rule paused")


class RuleRun(QueueRow):
    """One rule about one fact, once, whatever its version: `fact` names it. Claimed while `done_at` is empty.

    `seen` holds the values of the fields that its conditions name, `failed` the place of the condition that did not
    hold. `depth`: through how many rules the fact was caused. `at` is when the fact happened (UTC).
    """

    # Longer than the actions of a batch take.
    lease: ClassVar[timedelta] = timedelta(seconds=30)

    rule = models.ForeignKey(
        "automation.AutomationRule",
        models.CASCADE,
        related_name="runs",
        db_index=False,
        verbose_name=_("rule"),
    )
    version = models.ForeignKey(
        "automation.RuleVersion",
        models.CASCADE,
        db_index=False,
        verbose_name=pgettext_lazy("rule", "version"),
    )
    order = models.ForeignKey(
        "orders.Order", models.PROTECT, related_name="+", db_index=False, verbose_name=_("order")
    )
    fact = models.CharField(max_length=100)
    event = models.CharField(pgettext_lazy("rule", "when"), max_length=60)
    at = models.DateTimeField(pgettext_lazy("run of a rule", "happened"))
    state = models.CharField(
        pgettext_lazy("run of a rule", "result"), max_length=10, choices=RunState.choices
    )
    seen = models.JSONField(default=dict)
    failed = models.CharField(max_length=10, default="", blank=True)
    depth = models.PositiveSmallIntegerField(default=0)
    chain = models.JSONField(default=list)
    created_at = models.DateTimeField(pgettext_lazy("run of a rule", "ran"), default=timezone.now)

    class Meta:
        verbose_name = _("run of a rule")
        verbose_name_plural = _("runs of rules")
        ordering = ("-id",)
        constraints = [models.UniqueConstraint(fields=["rule", "fact"], name="rule_run_once")]
        indexes = [
            models.Index(fields=["id"], name="rule_run_waiting", condition=Q(done_at__isnull=True)),
            models.Index(fields=["order", "id"], name="rule_run_of_order"),
            models.Index(
                fields=["rule", "created_at"],
                name="rule_run_matched",
                condition=~Q(state__in=[RunState.UNMATCHED, RunState.LOOP]),
            ),
            models.Index(fields=["created_at"], name="rule_run_by_time"),
            models.Index(fields=["rule", "state", "-id"], name="rule_run_by_state"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class ActionState(models.TextChoices):
    WAITING = "", pgettext_lazy("action of a rule", "waits")
    DONE = "done", pgettext_lazy("action of a rule", "done")
    PROPOSED = "proposed", pgettext_lazy("action of a rule", "proposed")
    SKIPPED = "skipped", pgettext_lazy("action of a rule", "nothing to do")
    FAILED = "failed", pgettext_lazy("action of a rule", "failed")


class ActionRun(models.Model):
    """One action of a run, in the order of the version. `code` and `words` say what became of it."""

    run = models.ForeignKey(
        RuleRun, models.CASCADE, related_name="actions", db_index=False, verbose_name=_("run of a rule")
    )
    position = models.PositiveSmallIntegerField()
    action = models.CharField(pgettext_lazy("rule", "action"), max_length=30)
    state = models.CharField(
        pgettext_lazy("action of a rule", "result"),
        max_length=10,
        choices=ActionState.choices,
        default=ActionState.WAITING,
        blank=True,
    )
    code = models.CharField(max_length=60, default="", blank=True)
    words = models.CharField(max_length=300, default="", blank=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("action of a run")
        verbose_name_plural = _("actions of runs")
        ordering = ("position",)
        constraints = [models.UniqueConstraint(fields=["run", "position"], name="action_run_position")]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.position}"
