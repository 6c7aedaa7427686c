"""Lines of a provider's or a bank's file, each with what it was compared with. Only `payments.reconciliation` writes."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.lib.money import ZERO, MoneyField
from payments.models.notification import PaymentNotification
from payments.models.statement import Statement


class StatementLineQuerySet(models.QuerySet["StatementLine"]):
    """Queries of statement lines."""

    def settleable(self) -> Self:
        """Lines that surely are about a payment of ours, of equal amount, missing here and not settled yet."""
        kinds = (StatementLine.LineKind.PAYMENT, StatementLine.LineKind.REFUND)
        return self.filter(
            result=StatementLine.Result.MISSING_HERE,
            outcome="",
            note="",
            payment__isnull=False,
            amount__gt=0,
            kind__in=kinds,
        )

    def unexplained_payments(self) -> Self:
        """Payments in CNY in the file that are missing here, or here with another amount."""
        lines = self.filter(kind=StatementLine.LineKind.PAYMENT, result__in=OPEN_DIFFERENCES)
        return lines.exclude(note=StatementLine.Note.CURRENCY)


# Lines that a search by the numbers of payments does not find, or not by all of their own.
NOT_BY_PAYMENT = Q(payment__isnull=True) | ~Q(result="matched")


class StatementLine(models.Model):
    """One line of a file, or (without a `number`) a payment of ours that the file lacks.

    `amount` is never negative: `kind` says which way it went. `identity` is the same wherever the same fact stands, in
    this file or another: a second one is DUPLICATE. `outcome` is what settling it came to, `settled_at` when. `note` says
    why a line is not settled by itself: a payment found IN_TEXT is a proposal to a person.
    `case` is where a person looks at it, alone or together with others of its kind.
    """

    class LineKind(models.TextChoices):
        PAYMENT = "payment", pgettext_lazy("statement line", "payment")
        REFUND = "refund", pgettext_lazy("statement line", "refund")
        OTHER = "other", pgettext_lazy("statement line", "no money moved")

    class Result(models.TextChoices):
        MATCHED = "matched", _("matched")
        MISSING_HERE = "missing_here", _("missing here")
        MISSING_THERE = "missing_there", _("missing there")
        AMOUNT_DIFFERS = "amount_differs", _("amount differs")
        DUPLICATE = "duplicate", _("duplicate")

    class Note(models.TextChoices):
        CURRENCY = "currency", _("another currency than CNY")
        IN_TEXT = "in_text", _("our number was found inside a text")
        LEFT_OUT = "left_out", _("left out: no buyer's money")
        READ_AGAIN = "read_again", _("the file was read again by another mapping")
        LATER = "later", _("stands in another file")

    # No database constraints: their checks, one for each of a million lines, would cost more than the matching, and
    # would lock the payments that notifications are waiting for. None of the rows that stand behind is ever deleted.
    statement = models.ForeignKey(
        Statement,
        models.PROTECT,
        related_name="lines",
        db_index=False,
        db_constraint=False,
        verbose_name=_("statement"),
    )
    account = models.ForeignKey(
        "payments.PaymentAccount",
        models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
        verbose_name=_("payment account"),
    )
    number = models.PositiveIntegerField(_("line number"), null=True, blank=True)
    kind = models.CharField(_("kind"), max_length=10, choices=LineKind.choices)
    reference = models.CharField(_("merchant reference"), max_length=64, default="", blank=True)
    provider_reference = models.CharField(_("provider's reference"), max_length=64, default="", blank=True)
    refund_reference = models.CharField(_("refund reference"), max_length=64, default="", blank=True)
    amount = MoneyField(_("amount"))
    occurred_at = models.DateTimeField(_("occurred at"), null=True, blank=True)
    sha256 = models.CharField(max_length=64, default="", editable=False)
    identity = models.UUIDField(editable=False)
    result = models.CharField(_("result"), max_length=15, choices=Result.choices)
    note = models.CharField(
        _("note"), max_length=10, choices=Note.choices, default="", db_default="", blank=True
    )
    payment = models.ForeignKey(
        "payments.Payment",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="statement_lines",
        db_index=False,
        db_constraint=False,
        verbose_name=_("payment"),
    )
    outcome = models.CharField(
        _("settlement"), max_length=20, choices=PaymentNotification.Outcome.choices, default="", blank=True
    )
    settled_at = models.DateTimeField(_("settled at"), null=True, blank=True)
    case = models.ForeignKey(
        "payments.PaymentException",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
        verbose_name=_("payment exception"),
    )

    objects = StatementLineQuerySet.as_manager()

    class Meta:
        verbose_name = _("statement line")
        verbose_name_plural = _("statement lines")
        ordering = ["id"]
        constraints = [
            # Whatever the code does, a fact counts once.
            models.UniqueConstraint(
                fields=["account", "identity"],
                name="statement_line_once",
                condition=Q(number__isnull=False) & ~Q(result="duplicate"),
            ),
            models.CheckConstraint(condition=Q(amount__gte=ZERO), name="statement_line_not_negative"),
        ]
        indexes = [
            models.Index(fields=["statement", "id"], name="statement_line_of"),
            models.Index(
                fields=["statement", "result", "id"],
                name="statement_line_difference",
                condition=~Q(result="matched"),
            ),
            # What waits for a confirmation, for the home page: few rows among millions.
            models.Index(
                fields=["statement"],
                name="statement_line_to_settle",
                condition=Q(result="missing_here", outcome="", payment__isnull=False),
            ),
            models.Index(
                fields=["payment"], name="statement_line_payment", condition=Q(payment__isnull=False)
            ),
            models.Index(fields=["case"], name="statement_line_case", condition=Q(case__isnull=False)),
            # What files lack and no case tells of, for the clock that waits until it is old enough.
            models.Index(
                fields=["occurred_at"],
                name="statement_line_lacking",
                condition=Q(result="missing_there", outcome="", note="", case__isnull=True),
            ),
            # The list filtered by what is no payment: a refund, or no money at all.
            models.Index(
                fields=["kind", "-id"], name="statement_line_rare_kind", condition=~Q(kind="payment")
            ),
            # For a search by a number of the file; matched lines are found by the numbers of their payment.
            models.Index(fields=["reference"], name="statement_line_reference", condition=NOT_BY_PAYMENT),
            models.Index(
                fields=["provider_reference"], name="statement_line_trade", condition=NOT_BY_PAYMENT
            ),
        ]

    def __str__(self) -> str:
        return f"{self.statement_id}:{self.number or '–'} {self.reference or self.provider_reference}"


OPEN_DIFFERENCES = (StatementLine.Result.MISSING_HERE, StatementLine.Result.AMOUNT_DIFFERS)
