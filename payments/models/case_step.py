"""The log of a case: who did what about it, and when. Rows are only added, by `payments.cases.desk`."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class PaymentExceptionStep(models.Model):
    """One action about a case. `user` is empty where the product acted by itself; times are UTC.

    `note` holds the person's note, the colleague that a case was assigned to, or the number of what was requested.
    """

    class Action(models.TextChoices):
        ASSIGNED_TO_SELF = "taken", _("taken on")
        ASSIGNED = "assigned", _("given to a colleague")
        QUERIED = "asked", _("provider queried")
        REPLAYED = "replayed", _("notification replayed")
        REFUND_REQUESTED = "refund_requested", _("refund requested")
        SETTLEMENT_PROPOSED = "settlement_proposed", _("manual settlement proposed")
        REVIVAL_PROPOSED = "revival_proposed", _("revival proposed")
        NOTED = "noted", pgettext_lazy("exception step", "noted")
        RESOLVED = "resolved", _("resolved")

    exception = models.ForeignKey(
        "payments.PaymentException",
        models.PROTECT,
        related_name="steps",
        db_index=False,
        verbose_name=_("payment exception"),
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("person"),
    )
    action = models.CharField(_("what was done"), max_length=20, choices=Action.choices, db_column="deed")
    note = models.CharField(
        pgettext_lazy("exception step", "note"), max_length=500, default="", blank=True, db_column="words"
    )
    at = models.DateTimeField(_("time"), default=timezone.now)

    class Meta:
        verbose_name = _("step of a case")
        verbose_name_plural = _("steps of cases")
        ordering = ["id"]
        indexes = [models.Index(fields=["exception", "id"], name="payment_exception_step_of")]

    def __str__(self) -> str:
        return f"{self.exception_id} {self.get_action_display()}"
