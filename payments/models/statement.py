"""Bill files of providers and banks, line by line: what they say beside what we hold.

Only `payments.reconciliation` writes here. A statement is a queue row: its reader holds a lease, and what was read
stands nowhere until the whole file is matched in one transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from ordersite.lib.models.guarded_status import GuardedStatus
from ordersite.lib.money import ZERO, MoneyField
from ordersite.queue.models import QueueRow
from payments.models.statement_mapping import StatementMapping


class StatementStatus(models.TextChoices):
    CHOOSING = "choosing", pgettext_lazy("statement", "waiting for a mapping")
    UPLOADED = "uploaded", pgettext_lazy("statement", "waiting to be read")
    READING = "reading", pgettext_lazy("statement", "being read")
    MATCHED = "matched", pgettext_lazy("statement", "matched")
    REFUSED = "refused", pgettext_lazy("statement", "refused")


class StatementQuerySet(models.QuerySet["Statement"]):
    """Queries of statements."""

    def to_settle(self) -> Self:
        """Statements whose settlement was confirmed and is not finished."""
        return self.filter(settle_wanted_at__isnull=False)

    def claimed(self, pk: int, attempts: int) -> Self:
        """The unfinished statement, as long as the claim with this number of attempts stands."""
        return self.filter(pk=pk, attempts=attempts, done_at__isnull=True)

    def standing(self) -> Self:
        """Statements that stand for their content: neither refused nor read again by another mapping."""
        return self.exclude(status=StatementStatus.REFUSED).filter(superseded_by__isnull=True)


class Statement(GuardedStatus, QueueRow):
    """One file. Amounts are yuan, times UTC; the period is [from, to).

    A refused one has no lines and may come again; any other stands for its content as it was read: the same bytes of the
    same account make no second one unless another mapping reads them (`reading` is its digest). The reading before is then
    `superseded_by` it: its lines stay, and nothing that it had left open is settled from it any more. `progress` is a
    percentage of the file; `lines_total` is known once it was read to its end.
    """

    class Form(models.TextChoices):
        ALIPAY = "alipay", _("Alipay bill")
        WECHATPAY = "wechatpay", _("WeChat Pay bill")
        UNIONPAY = "unionpay", _("UnionPay bill")
        MAPPED = "mapped", _("mapped bank file")

    class Source(models.TextChoices):
        UPLOAD = "upload", _("uploaded")
        COMMAND = "command", _("by command")
        FETCH = "fetch", _("fetched")

    account = models.ForeignKey(
        "payments.PaymentAccount", models.PROTECT, db_index=False, verbose_name=_("payment account")
    )
    mapping = models.ForeignKey(
        "payments.StatementMapping", models.PROTECT, null=True, blank=True, verbose_name=_("mapping")
    )
    form = models.CharField(
        _("form of the file"), max_length=10, choices=Form.choices, default="", blank=True
    )
    file_name = models.CharField(_("file name"), max_length=255)
    stored_name = models.CharField(max_length=100, default="", editable=False)
    sha256 = models.CharField("SHA-256", max_length=64)
    reading = models.CharField(max_length=32, default="", db_default="", editable=False)
    superseded_by = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("read again as"),
    )
    size = models.BigIntegerField(_("bytes"))
    source = models.CharField(_("source"), max_length=10, choices=Source.choices)
    day = models.DateField(_("day"), null=True, blank=True)
    period_from = models.DateTimeField(_("period from"), null=True, blank=True)
    period_to = models.DateTimeField(_("period to"), null=True, blank=True)
    status = FSMField(
        _("status"),
        max_length=10,
        default=StatementStatus.UPLOADED,
        choices=StatementStatus.choices,
        protected=True,
    )
    progress = models.PositiveSmallIntegerField(_("progress"), default=0)
    lines_read = models.PositiveIntegerField(_("lines read"), default=0)
    lines_total = models.PositiveIntegerField(_("lines"), null=True, blank=True)
    payments_amount = MoneyField(_("payments in the file"), default=ZERO)
    refunds_amount = MoneyField(_("refunds in the file"), default=ZERO)
    matched = models.PositiveIntegerField(_("matched"), default=0)
    missing_here = models.PositiveIntegerField(_("missing here"), default=0)
    missing_there = models.PositiveIntegerField(_("missing there"), default=0)
    amount_differs = models.PositiveIntegerField(_("amount differs"), default=0)
    duplicate = models.PositiveIntegerField(_("duplicate"), default=0)
    # Why the file was refused: a code of `payments.reconciliation.refusals` and what it says it with.
    refusal = models.JSONField(_("refused because"), default=dict, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("imported by"),
    )
    created_at = models.DateTimeField(_("imported at"), default=timezone.now, editable=False)
    # A confirmed settlement goes on after a crash: who confirmed it, and since when.
    settle_wanted_at = models.DateTimeField(_("settlement confirmed at"), null=True, blank=True)
    settle_wanted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("settlement confirmed by"),
    )
    # Its settlement waits for nobody any more; an approval is possible all the same.
    set_aside_at = models.DateTimeField(_("set aside at"), null=True, blank=True)

    objects = StatementQuerySet.as_manager()

    class Meta:
        verbose_name = _("statement")
        verbose_name_plural = _("statements")
        ordering = ["-id"]
        permissions = [
            ("import_statement", _("Can import statements")),
            ("settle_statement", _("Can settle orders from statements")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "sha256", "reading"],
                name="statement_once",
                condition=~Q(status="refused") & Q(superseded_by__isnull=True),
            ),
        ]
        indexes = [
            models.Index(fields=["account", "id"], name="statement_of_account"),
            models.Index(fields=["id"], name="statement_waiting", condition=Q(done_at__isnull=True)),
            models.Index(
                fields=["id"], name="statement_to_settle", condition=Q(settle_wanted_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.file_name}"

    @property
    def is_matched(self) -> bool:
        """Whether the whole file was read and compared. A reading that another one superseded still is."""
        return bool(self.status == StatementStatus.MATCHED)

    @property
    def is_busy(self) -> bool:
        """Whether it is waiting, being read or being settled."""
        return self.done_at is None or self.settle_wanted_at is not None

    @property
    def proposer_id(self) -> int | None:
        """Who imported the file; none for a bill that was fetched."""
        return self.created_by_id

    @property
    def proposed_at(self) -> datetime:
        return self.created_at

    @property
    def is_waiting(self) -> bool:
        """No approved settlement is under way."""
        return self.settle_wanted_at is None

    @property
    def is_single_operator(self) -> bool:
        return self.settle_wanted_by_id is not None and self.settle_wanted_by_id == self.created_by_id

    @property
    def status_label(self) -> str | Promise:
        return (
            _("the settlement is under way") if self.settle_wanted_at else StatementStatus(self.status).label
        )

    def approve(self, by: AbstractUser, at: datetime, note: str) -> None:
        """Mark the settlement as approved; a worker does it."""
        self.settle_wanted_by_id, self.settle_wanted_at = by.pk, at

    @transition(field=status, source=StatementStatus.UPLOADED.value, target=StatementStatus.CHOOSING.value)
    def wait_for_mapping(self) -> None:
        """No worker has anything to do with it until a person has chosen how it is read."""
        self.done_at = timezone.now()

    @transition(
        field=status,
        source=[StatementStatus.CHOOSING.value, StatementStatus.REFUSED.value],
        target=StatementStatus.UPLOADED.value,
    )
    def read_by(self, mapping: StatementMapping, user: AbstractUser) -> None:
        """Let the workers read it, as if `user` had handed it in with this mapping."""
        self.mapping, self.reading, self.created_by_id = mapping, mapping.digest(), user.pk
        self.refusal, self.last_error, self.attempts = {}, "", 0
        self.done_at, self.leased_until, self.due_at = None, None, timezone.now()

    @transition(
        field=status,
        source=[StatementStatus.UPLOADED.value, StatementStatus.READING.value],
        target=StatementStatus.READING.value,
    )
    def begin(self) -> None:
        """Somebody reads it, perhaps after another died over it."""
        self.progress, self.lines_read, self.lines_total = 0, 0, None

    @transition(field=status, source=StatementStatus.READING.value, target=StatementStatus.MATCHED.value)
    def match(self) -> None:
        self.progress, self.done_at = 100, timezone.now()

    @transition(field=status, source=StatementStatus.READING.value, target=StatementStatus.REFUSED.value)
    def refuse(self, refusal: dict[str, Any]) -> None:
        self.refusal, self.done_at = refusal, timezone.now()


class BillFetchQuerySet(models.QuerySet["BillFetch"]):
    """Queries of bills to fetch."""

    def due(self, now: datetime) -> Self:
        """Bills that are to be fetched at `now` (UTC)."""
        return self.filter(next_at__lte=now)


class BillFetch(models.Model):
    """One day's bill (Beijing) of one account, to be fetched from the provider at `next_at`."""

    class State(models.TextChoices):
        WAITING = "waiting", pgettext_lazy("bill", "waiting for the provider")
        DONE = "done", pgettext_lazy("bill", "fetched")
        EMPTY = "empty", pgettext_lazy("bill", "no trades that day")
        GIVEN_UP = "given_up", pgettext_lazy("bill", "given up")

    account = models.ForeignKey(
        "payments.PaymentAccount", models.PROTECT, db_index=False, verbose_name=_("payment account")
    )
    day = models.DateField(_("day"))
    state = models.CharField(_("status"), max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_at = models.DateTimeField(_("fetched next at"), null=True, default=timezone.now)
    last_error = models.CharField(_("last problem"), max_length=500, default="", blank=True)
    statement = models.ForeignKey(
        Statement, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("statement")
    )

    objects = BillFetchQuerySet.as_manager()

    class Meta:
        verbose_name = _("bill to fetch")
        verbose_name_plural = _("bills to fetch")
        ordering = ["-day", "account_id"]
        constraints = [models.UniqueConstraint(fields=["account", "day"], name="bill_fetch_once")]
        indexes = [
            models.Index(fields=["next_at"], name="bill_fetch_due", condition=Q(next_at__isnull=False))
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.day}"
