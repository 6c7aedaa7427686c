"""A rule and its versions: what is saved anew is a new version, and no version ever changes."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

MOST_AN_HOUR = 10_000


class RulePause(models.TextChoices):
    """Why a rule that is switched on does nothing until somebody switches it on again."""

    OWNER = "owner", _("its owner is no longer active")
    RIGHT = "right", _("its owner lacks a right that it needs")
    CAP = "cap", _("it did more in an hour than it may")


class AutomationRuleQuerySet(models.QuerySet["AutomationRule"]):
    """Queries of rules."""

    def running(self) -> Self:
        """Rules that are switched on and not paused."""
        return self.filter(is_on=True, paused_at__isnull=True)


class AutomationRule(models.Model):
    """A rule. Its owner is the author of its current version: the rule may do what the owner may do by hand.

    It is switched on once a dry run of exactly the current version was looked at, and acts on what has happened since
    `switched_on_at` (UTC; empty for rules that were on before that was kept). `paused_at` (UTC) with
    `paused_why` and `paused_detail`: the product has stopped it. `most_an_hour`: more matches within an hour pause it.
    """

    name = models.CharField(_("name"), max_length=80)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        verbose_name=pgettext_lazy("rule", "owner"),
    )
    current = models.ForeignKey(
        "automation.RuleVersion",
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("current version"),
    )
    is_on = models.BooleanField(pgettext_lazy("rule", "switched on"), default=False)
    switched_on_at = models.DateTimeField(_("switched on at"), null=True, editable=False)
    paused_at = models.DateTimeField(_("paused at"), null=True, editable=False)
    paused_why = models.CharField(_("paused because"), max_length=10, choices=RulePause.choices, default="")
    paused_detail = models.CharField(max_length=200, default="", editable=False)
    most_an_hour = models.PositiveIntegerField(
        _("at most in an hour"),
        default=200,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_AN_HOUR)],
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    objects = AutomationRuleQuerySet.as_manager()

    class Meta:
        verbose_name = _("automation rule")
        verbose_name_plural = _("automation rules")
        ordering = ("-id",)
        permissions = [("manage_rules", _("Can build and switch automation rules"))]
        indexes = [
            models.Index(fields=["id"], name="rule_running", condition=Q(is_on=True, paused_at__isnull=True))
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_running(self) -> bool:
        """Whether it acts: switched on and not paused."""
        return self.is_on and self.paused_at is None


class RuleVersion(models.Model):
    """One version of a rule: when, if and then, as JSON that was checked when it was saved. It never changes: a
    trigger of the database refuses.

    `trigger` is an event of the flow, or the name of a schedule, of which `hours` is the span. `merchant` None: every
    shop. `digest` is the SHA-256 of all that decides.
    """

    rule = models.ForeignKey(
        AutomationRule, models.CASCADE, related_name="versions", verbose_name=_("automation rule")
    )
    number = models.PositiveIntegerField(pgettext_lazy("rule", "version"))
    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("merchant")
    )
    trigger = models.CharField(pgettext_lazy("rule", "when"), max_length=60)
    hours = models.PositiveIntegerField(_("hours"), null=True, blank=True)
    conditions = models.JSONField(_("conditions"), default=dict)
    actions = models.JSONField(_("actions"), default=list)
    digest = models.CharField(max_length=64, editable=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        db_index=False,
        verbose_name=pgettext_lazy("rule", "author"),
    )
    created_at = models.DateTimeField(pgettext_lazy("rule", "saved at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("version of a rule")
        verbose_name_plural = _("versions of rules")
        ordering = ("-number",)
        constraints = [models.UniqueConstraint(fields=["rule", "number"], name="rule_version_number")]

    def __str__(self) -> str:
        return f"{self.rule_id}/{self.number}"
