"""The steps of a case: who did what about it, when. Only `payments.cases` writes them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class PaymentExceptionStep(models.Model):
    """`user` empty: the product did it by itself. `words` is what the person said, or whom a case was given to."""

    class Deed(models.TextChoices):
        TAKEN = "taken", _("taken on")
        ASSIGNED = "assigned", _("given to a colleague")
        ASKED = "asked", _("provider asked")
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
    deed = models.CharField(_("what was done"), max_length=20, choices=Deed.choices)
    words = models.CharField(_("words"), max_length=500, default="", blank=True)
    at = models.DateTimeField(_("time"), default=timezone.now)

    class Meta:
        verbose_name = _("step of a case")
        verbose_name_plural = _("steps of cases")
        ordering = ["id"]
        indexes = [models.Index(fields=["exception", "id"], name="payment_exception_step_of")]

    def __str__(self) -> str:
        return f"{self.exception_id} {self.get_deed_display()}"
