"""Strategies against abuse that staff switch and tune."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

# A day: what is counted has to be remembered for so long.
LONGEST_WINDOW = 86_400
# The stores of counts tell no more apart than a thousand attempts of one window.
MOST = 999


class StrategyKind(models.TextChoices):
    """What a strategy counts attempts under."""

    DEVICE = "device", _("same device")
    IP = "ip", _("same IP address")
    PHONE = "phone", _("same phone number")
    ADDRESS = "address", _("same delivery address")
    VELOCITY = "velocity", _("velocity of one buyer")
    AMOUNT_PATTERN = "amount_pattern", _("same total by other buyers")
    ATTEMPTS = "attempts", _("same product by one buyer")


class RiskAction(models.TextChoices):
    """What becomes of an order that a strategy hits, the mildest first."""

    LOG = "log", _("log")
    WARN = "warn", _("warn")
    HOLD = "hold", _("hold")
    REFUSE = "refuse", _("refuse the order")


class RiskStrategyQuerySet(models.QuerySet["RiskStrategy"]):
    """Queries of strategies."""

    def enabled(self) -> RiskStrategyQuerySet:
        return self.filter(is_enabled=True)


class RiskStrategy(models.Model):
    """Hits an attempt to order when more than `threshold` of its kind came within `window_seconds`, itself included.

    Attempts are counted for each merchant apart. `merchant` None: of every shop, unless the shop has a row of its own.
    `active_from` and `active_until` (UTC): the row does nothing outside of them. See `orders.risk.strategies.in_force`.
    """

    slug = models.SlugField(_("code"), max_length=40, editable=False)
    kind = models.CharField(_("kind"), max_length=20, choices=StrategyKind.choices)
    name = models.CharField(_("name"), max_length=80, blank=True, default="")
    merchant = models.ForeignKey(
        "orders.Merchant",
        models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("merchant"),
        help_text=_("Empty: every shop that has no strategy of this kind of its own."),
    )
    window_seconds = models.PositiveIntegerField(
        _("window (seconds)"), validators=[MinValueValidator(1), MaxValueValidator(LONGEST_WINDOW)]
    )
    threshold = models.PositiveIntegerField(
        _("threshold"),
        validators=[MinValueValidator(1), MaxValueValidator(MOST)],
        help_text=_("So many attempts are all right; the next one is a hit."),
    )
    action = models.CharField(
        _("what happens"), max_length=10, choices=RiskAction.choices, default=RiskAction.LOG
    )
    is_enabled = models.BooleanField(_("switched on"), default=True)
    is_dry_run = models.BooleanField(
        _("dry run"),
        default=False,
        help_text=_("Its hits are logged, and nothing else happens. It stands beside the others."),
    )
    active_from = models.DateTimeField(_("in force from"), null=True, blank=True)
    active_until = models.DateTimeField(
        _("in force until"),
        null=True,
        blank=True,
        help_text=_(
            "With a time set, it takes the place of the strategies without one while it is in force."
        ),
    )

    objects = RiskStrategyQuerySet.as_manager()

    class Meta:
        verbose_name = _("risk strategy")
        verbose_name_plural = _("risk strategies")
        ordering = ("id",)
        permissions = [("manage_risk", _("Can change risk strategies"))]
        constraints = [
            models.UniqueConstraint(fields=["slug"], name="risk_strategy_slug"),
            models.CheckConstraint(
                condition=Q(kind__in=StrategyKind.values), name="risk_strategy_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(action__in=RiskAction.values), name="risk_strategy_action_known"
            ),
            models.CheckConstraint(
                condition=Q(window_seconds__gte=1, window_seconds__lte=LONGEST_WINDOW),
                name="risk_strategy_window",
            ),
            models.CheckConstraint(
                condition=Q(threshold__gte=1, threshold__lte=MOST), name="risk_strategy_threshold"
            ),
            models.CheckConstraint(
                condition=Q(active_from__isnull=True)
                | Q(active_until__isnull=True)
                | Q(active_from__lt=F("active_until")),
                name="risk_strategy_begins_before_end",
            ),
        ]

    def __str__(self) -> str:
        return self.name or str(self.get_kind_display())
