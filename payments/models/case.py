"""Payment cases: money and order disagree in a way that only a person may resolve."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ordersite.lib.models.case import AbstractCase, CaseQuerySet
from ordersite.lib.money import MoneyField


class PaymentExceptionQuerySet(CaseQuerySet["PaymentException"]):
    """Queries of the cases of payments."""

    def about_surplus(self) -> Self:
        """Cases about money that no order needs: a second payment, or one for a closed order."""
        return self.filter(kind__in=SURPLUS_KINDS, payment__is_surplus=True)


class PaymentException(AbstractCase):
    """One case. `dedup_key` names its fact (for example the trade), so that one fact has at most one open case."""

    class Kind(models.TextChoices):
        UNKNOWN_ORDER = "unknown_order", _("paid, order unknown")
        AMOUNT_MISMATCH = "amount_mismatch", _("amount differs")
        WRONG_ACCOUNT = "wrong_account", _("wrong account")
        ALREADY_PAID = "already_paid", _("paid twice")
        ORDER_CLOSED = "order_closed", _("paid after closing")
        REFUND_EVENT = "refund_event", _("refund not requested here")
        REFERENCE_CONFLICT = "reference_conflict", _("trade used twice")
        ORDER_REFUSED = "order_refused", _("paid, order refused it")
        REVERSED = "reversed", _("payment reversed at the provider")
        UNCLEAR = "unclear", _("unclear message about money")
        REFUND_TROUBLE = "refund_trouble", _("refund in trouble")
        STATEMENT_DIFFERENCE = "statement_difference", _("statement differs")
        BAD_SIGNATURES = "bad_signatures", _("calls with bad signatures")
        PROVIDER_SILENT = "provider_silent", _("provider does not answer")
        POISON = "poison", _("cannot be processed")

    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    dedup_key = models.CharField(max_length=160)
    account = models.ForeignKey(
        "payments.PaymentAccount", models.PROTECT, null=True, blank=True, verbose_name=_("payment account")
    )
    order = models.ForeignKey("orders.Order", models.PROTECT, null=True, blank=True, verbose_name=_("order"))
    payment = models.ForeignKey(
        "payments.Payment", models.PROTECT, null=True, blank=True, verbose_name=_("payment")
    )
    notification = models.ForeignKey(
        "payments.PaymentNotification",
        models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("payment notification"),
    )
    amount = MoneyField(_("amount"), null=True, blank=True)

    objects = PaymentExceptionQuerySet.as_manager()

    class Meta:
        verbose_name = _("payment exception")
        verbose_name_plural = _("payment exceptions")
        ordering = ["-id"]
        permissions = [("resolve_paymentexception", _("Can resolve payment exceptions"))]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "dedup_key"],
                name="payment_exception_once",
                condition=Q(resolved_at__isnull=True),
            ),
        ]
        indexes = [
            models.Index(
                fields=["kind", "id"], name="payment_exception_open", condition=Q(resolved_at__isnull=True)
            ),
            # Each repetition of a fact looks for the resolved case about it.
            models.Index(
                fields=["dedup_key"], name="payment_exception_done", condition=Q(resolved_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} #{self.pk}"


# A late or second payment: its money belongs to the buyer again unless a person revives the order.
SURPLUS_KINDS = (PaymentException.Kind.ORDER_CLOSED, PaymentException.Kind.ALREADY_PAID)
