"""The log of calls to carriers."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

OK = "ok"
# The carrier answered, and what it said could be used.
USABLE = frozenset((OK, "nothing_found"))


class CarrierCall(models.Model):
    """One call to a carrier: what was sent, what came back, and whether it was usable.

    `result` is `ok`, a code of `CARRIER_ERRORS`, or `fault` where the connector itself failed. `http_status` is empty
    where no answer arrived. Bodies are beginnings, without secrets and personal data. `duration_ms` is the time of all
    its exchanges. A call about several parcels has a row for each, joined by `batch`; the first keeps the bodies.
    `order_id` has no constraint, so that the log never holds an order up.
    """

    account = models.ForeignKey(
        "logistics.CarrierAccount", models.CASCADE, db_index=False, verbose_name=_("carrier account")
    )
    operation = models.CharField(_("operation"), max_length=20)
    at = models.DateTimeField(_("time"), default=timezone.now)
    order = models.ForeignKey(
        "orders.Order",
        models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        verbose_name=_("order"),
    )
    subject = models.CharField(_("number or reference"), max_length=40, default="", blank=True)
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    duration_ms = models.PositiveIntegerField(_("duration in ms"), default=0)
    result = models.CharField(_("result"), max_length=20)
    detail = models.CharField(_("detail"), max_length=200, default="", blank=True)
    request = models.TextField(_("request"), default="", blank=True)
    response = models.TextField(_("response"), default="", blank=True)
    batch = models.CharField(max_length=16, default="", db_default="", blank=True, editable=False)
    is_first = models.BooleanField(default=True, db_default=True, editable=False)

    class Meta:
        verbose_name = _("carrier call")
        verbose_name_plural = _("carrier calls")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["account", "id"], name="carrier_call_of_account"),
            models.Index(fields=["subject", "id"], name="carrier_call_of_subject"),
            models.Index(
                fields=["order", "id"], name="carrier_call_of_order", condition=models.Q(order__isnull=False)
            ),
            models.Index(fields=["at"], name="carrier_call_at"),
            models.Index(
                fields=["at"],
                name="carrier_call_good",
                condition=models.Q(operation="query", result=OK),
            ),
            # Nearly all calls are queries: their list is that of all calls, and the index stays small without them.
            models.Index(
                fields=["operation", "id"],
                name="carrier_call_of_operation",
                condition=~models.Q(operation="query"),
            ),
            models.Index(fields=["id"], name="carrier_call_failed", condition=~models.Q(result=OK)),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.subject}".rstrip()

    @property
    def is_ok(self) -> bool:
        """Whether a usable answer arrived."""
        return self.result == OK
