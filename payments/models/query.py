"""What a provider answered when it was queried about an attempt. Rows are only written by `payments.polling.record`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from django.db import models
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class PaymentQueryQuerySet(models.QuerySet["PaymentQuery"]):
    """Queries of the answers that providers gave."""

    def latest_of(self, payment_ids: Iterable[int]) -> Self:
        """The last answer about each of these attempts."""
        mine = self.model._default_manager.filter(payment_id__in=sorted(set(payment_ids))).order_by()
        return self.filter(pk__in=mine.values("payment_id").annotate(last=Max("pk")).values("last"))


class PaymentQuery(models.Model):
    """Queries of one attempt that had the same answer one after another: `times` of them, from `first_at` to `last_at`.

    `answer` is a `TradeState` or not_applicable; empty where the query failed: then `error_code` names the error and
    `error` describes it in the words of the day. Times are UTC.
    """

    payment = models.ForeignKey(
        "payments.Payment",
        models.PROTECT,
        related_name="answers",
        db_index=False,
        verbose_name=_("payment"),
    )
    answer = models.CharField(_("answer"), max_length=20, default="", blank=True)
    error_code = models.CharField(max_length=40, default="", blank=True)
    error = models.CharField(_("error"), max_length=200, default="", blank=True)
    times = models.PositiveIntegerField(_("times queried"), default=1)
    first_at = models.DateTimeField(_("first query at"), default=timezone.now)
    last_at = models.DateTimeField(_("last query at"), default=timezone.now)

    objects = PaymentQueryQuerySet.as_manager()

    class Meta:
        verbose_name = _("query")
        verbose_name_plural = _("queries")
        ordering = ["id"]
        indexes = [models.Index(fields=["payment", "id"], name="payment_query_of_payment")]

    def __str__(self) -> str:
        return f"{self.payment_id} {self.answer or self.error_code}"

    @property
    def is_failure(self) -> bool:
        """Whether it brought no answer, so that nobody knows whether the buyer has paid."""
        return bool(self.error_code)

    @property
    def is_refusal(self) -> bool:
        """Whether the provider answered that it does not answer this query."""
        return self.error_code == "provider_refused"
