"""Refund requests, from the proposal to the provider's confirmation. Only `payments.refunds` changes them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import F, Q, Sum
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from ordersite.lib.models.guarded_status import GuardedStatus
from ordersite.lib.models.quick_load import QuickLoad
from ordersite.lib.money import ZERO, MoneyField


class RefundStatus(models.TextChoices):
    """States of a request. ORDERED: the provider has it, or may have it. ABNORMAL: stuck there until a person acts."""

    PROPOSED = "proposed", _("waits for approval")
    APPROVED = "approved", _("approved")
    ORDERED = "ordered", _("under way at the provider")
    ABNORMAL = "abnormal", _("stuck at the provider")
    SUCCEEDED = "succeeded", _("refund confirmed")
    FAILED = "failed", _("refund failed")
    REFUSED = "refused", _("approval refused")
    WITHDRAWN = "withdrawn", _("withdrawn")


# Not ended: the money may still go back and counts against its payment.
LIVE = (RefundStatus.PROPOSED, RefundStatus.APPROVED, RefundStatus.ORDERED, RefundStatus.ABNORMAL)
# Approved and not ended: what is sent to the provider and polled there.
AT_WORK = (RefundStatus.APPROVED, RefundStatus.ORDERED, RefundStatus.ABNORMAL)


class RefundRequestQuerySet(models.QuerySet["RefundRequest"]):
    """Queries of refund requests."""

    def waiting(self) -> Self:
        """Requests that wait for approval."""
        return self.filter(status=RefundStatus.PROPOSED)

    def live(self) -> Self:
        """Requests that have not ended."""
        return self.filter(status__in=LIVE)

    def ended(self) -> Self:
        """Requests that succeeded, failed, were refused or withdrawn."""
        return self.exclude(status__in=LIVE)

    def at_work(self) -> Self:
        """Requests that are approved and have not ended."""
        return self.filter(status__in=AT_WORK)

    def effective(self) -> Self:
        """Requests whose money went back or still may."""
        return self.filter(status__in=(*LIVE, RefundStatus.SUCCEEDED))

    def due(self, now: datetime) -> Self:
        """Requests that are to be tried at `now` (UTC)."""
        return self.filter(next_try_at__lte=now)

    def total_amount(self) -> Decimal:
        """The sum of these requests (yuan). One query."""
        total: Decimal | None = self.aggregate(total=Sum("amount"))["total"]
        return total or ZERO

    def live_amount(self) -> Decimal:
        """The sum of those that have not ended (yuan). One query."""
        return self.live().total_amount()

    def lock(self, pk: int) -> RefundRequest:
        """Lock one request for the rest of the transaction. Lock its order and payment first."""
        return self.select_for_update(no_key=True).get(pk=pk)


class RefundRequest(GuardedStatus, QuickLoad, models.Model):
    """One refund request. `reference` (out_refund_no, out_request_no) is the same in every try, so that none pays twice.

    No `proposer`: the merchant's rule requested it. `is_reserved`: its amount stands in the order's `refunds_pending`;
    money that the order never counted (a second payment, one for a closed order) reserves nothing. `to_order`: the
    next try sends the order; otherwise it queries first, since the provider may have the order. Times are UTC.
    """

    class DecidedBy(models.TextChoices):
        """Who approved, for pages and auditors."""

        NOBODY = "", _("nobody yet")
        PERSON = "person", _("a second person")
        LIMIT = "limit", _("within the proposer's own limit")
        RULE = "rule", _("the merchant's rule")
        ALONE = "alone", _("the proposer alone, after the wait")

    payment = models.ForeignKey(
        "payments.Payment",
        models.PROTECT,
        related_name="refund_requests",
        db_index=False,
        verbose_name=_("payment"),
    )
    order = models.ForeignKey(
        "orders.Order",
        models.PROTECT,
        related_name="refund_requests",
        db_index=False,
        verbose_name=_("order"),
    )
    account = models.ForeignKey(
        "payments.PaymentAccount",
        models.PROTECT,
        related_name="+",
        db_index=False,
        verbose_name=_("payment account"),
    )
    reference = models.CharField(_("refund reference"), max_length=32)
    amount = MoneyField(_("amount"))
    reason = models.CharField(_("reason"), max_length=200)
    is_reserved = models.BooleanField(_("reserved on the order"), default=False, editable=False)
    status = FSMField(
        _("status"),
        max_length=10,
        default=RefundStatus.PROPOSED,
        choices=RefundStatus.choices,
        protected=True,
        db_index=False,
    )

    proposer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("proposer"),
    )
    created_at = models.DateTimeField(_("proposed at"), default=timezone.now, editable=False)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided at"), null=True, editable=False)
    decided_how = models.CharField(
        _("how it was decided"),
        max_length=10,
        choices=DecidedBy.choices,
        default=DecidedBy.NOBODY,
        editable=False,
    )
    decision_note = models.CharField(_("decision's note"), max_length=200, default="", blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, editable=False)

    next_try_at = models.DateTimeField(_("tried next at"), null=True, editable=False)
    to_order = models.BooleanField(default=True, editable=False)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, editable=False)
    last_tried_at = models.DateTimeField(_("last tried at"), null=True, editable=False)
    ordered_at = models.DateTimeField(_("ordered at"), null=True, editable=False)
    last_answer = models.CharField(_("last answer"), max_length=200, default="", editable=False)

    objects = RefundRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("refund request")
        verbose_name_plural = _("refund requests")
        ordering = ["-id"]
        permissions = [
            ("request_refund", _("Can request refunds")),
            ("approve_refund", _("Can approve refunds")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["reference"], name="refund_request_reference", opclasses=["varchar_pattern_ops"]
            ),
            models.CheckConstraint(condition=Q(amount__gt=ZERO), name="refund_request_amount_positive"),
            models.CheckConstraint(
                condition=Q(status__in=RefundStatus.values), name="refund_request_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status__in=[RefundStatus.PROPOSED, RefundStatus.WITHDRAWN])
                | Q(decided_at__isnull=False),
                name="refund_request_decided_has_time",
            ),
            # The database itself refuses a decision of the proposer that is not marked as such.
            models.CheckConstraint(
                condition=~Q(decided_how="person")
                | (Q(decided_by__isnull=False) & (Q(proposer__isnull=True) | ~Q(decided_by=F("proposer")))),
                name="refund_request_two_persons",
            ),
        ]
        indexes = [
            models.Index(fields=["payment", "id"], name="refund_request_of_payment"),
            models.Index(fields=["order", "id"], name="refund_request_of_order"),
            models.Index(fields=["status", "id"], name="refund_request_live", condition=Q(status__in=LIVE)),
            models.Index(
                fields=["account", "next_try_at"],
                name="refund_request_to_try",
                condition=Q(next_try_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for approval."""
        return bool(self.status == RefundStatus.PROPOSED)

    @property
    def is_live(self) -> bool:
        """Whether it has not ended: its money may still go back."""
        return self.status in LIVE

    @property
    def is_at_work(self) -> bool:
        """Whether it is approved and has not ended."""
        return self.status in AT_WORK

    @property
    def reserved_amount(self) -> Decimal:
        """Its share (yuan) of the order's `refunds_pending`: none for money that the order never counted."""
        return self.amount if self.is_reserved else ZERO

    @property
    def proposed_at(self) -> datetime:
        return self.created_at

    @property
    def is_single_operator(self) -> bool:
        return self.decided_how == self.DecidedBy.ALONE

    @property
    def status_label(self) -> str | Promise:
        return RefundStatus(self.status).label

    @transition(field=status, source=RefundStatus.PROPOSED.value, target=RefundStatus.APPROVED.value)
    def approve(self, by: AbstractUser, at: datetime, note: str) -> None:
        self.decided_by_id, self.decided_at, self.decision_note = by.pk, at, note
        self.decided_how = self.DecidedBy.ALONE if by.pk == self.proposer_id else self.DecidedBy.PERSON
        self.next_try_at = at

    @transition(field=status, source=RefundStatus.PROPOSED.value, target=RefundStatus.APPROVED.value)
    def approve_at_once(self, at: datetime, how: str) -> None:
        """Approve without a second person: within the proposer's own limit, or by the merchant's rule."""
        self.decided_by_id, self.decided_at, self.decided_how = self.proposer_id, at, how
        self.next_try_at = at

    @transition(field=status, source=RefundStatus.PROPOSED.value, target=RefundStatus.REFUSED.value)
    def refuse(self, by: AbstractUser, at: datetime, note: str) -> None:
        self.decided_by_id, self.decision_note = by.pk, note
        self.decided_how = self.DecidedBy.PERSON
        self.decided_at = self.ended_at = at

    @transition(field=status, source=RefundStatus.PROPOSED.value, target=RefundStatus.WITHDRAWN.value)
    def withdraw(self, by: AbstractUser, at: datetime, note: str) -> None:
        self.decision_note, self.ended_at = note, at

    @transition(
        field=status,
        source=[RefundStatus.APPROVED.value, RefundStatus.ABNORMAL.value],
        target=RefundStatus.ORDERED.value,
    )
    def order_out(self) -> None:
        """The order was sent: the provider has it, or may have it."""

    @transition(
        field=status,
        source=[RefundStatus.APPROVED.value, RefundStatus.ORDERED.value],
        target=RefundStatus.ABNORMAL.value,
    )
    def hang(self) -> None:
        """The provider reports a stuck refund: it succeeds or fails once a person has put it right there."""

    @transition(
        field=status,
        source=[RefundStatus.APPROVED.value, RefundStatus.ORDERED.value, RefundStatus.ABNORMAL.value],
        target=RefundStatus.FAILED.value,
    )
    def fail(self, at: datetime) -> None:
        self.ended_at = at
        self.next_try_at = None

    @transition(
        field=status,
        source=[state.value for state in RefundStatus if state is not RefundStatus.SUCCEEDED],
        target=RefundStatus.SUCCEEDED.value,
    )
    def succeed(self, at: datetime) -> None:
        """The provider has confirmed the refund, which is true in whatever state the request is."""
        self.ended_at = at
        self.next_try_at = None
        if self.decided_at is None:
            self.decided_at = at
