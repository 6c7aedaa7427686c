"""The rules of the state machine that staff can switch off."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.labels import ACTIONS, TRIGGERS
from orders.models.order import OrderStatus


class TransitionRule(models.Model):
    """One rule of the state machine. The rules come from `orders.machine`; staff only switch them on or off."""

    from_status = models.CharField(pgettext_lazy("state", "from"), max_length=10)
    action = models.CharField(_("action"), max_length=10)
    trigger = models.CharField(_("trigger"), max_length=30)
    is_enabled = models.BooleanField(_("switched on"), default=True)

    class Meta:
        verbose_name = _("transition rule")
        verbose_name_plural = _("transition rules")
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(fields=["from_status", "action", "trigger"], name="transition_rule_row")
        ]

    def __str__(self) -> str:
        before = OrderStatus(self.from_status).label
        return (
            f"{before} · {ACTIONS.get(self.action, self.action)} · {TRIGGERS.get(self.trigger, self.trigger)}"
        )
