"""One attempt to collect money for an order. Only `payments.lifecycle` calls a transition."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from ordersite.lib.models.guarded_status import GuardedStatus
from ordersite.lib.models.quick_load import QuickLoad
from ordersite.lib.money import ZERO, MoneyField


class PaymentStatus(models.TextChoices):
    CREATED = "created", _("created")
    OPEN = "open", _("open")
    PAID = "paid", _("paid")
    CLOSED = "closed", _("closed")
    REFUNDED = "refunded", _("refunded")


# Neither paid nor closed: the provider may still take the money.
UNDECIDED = (PaymentStatus.CREATED, PaymentStatus.OPEN)
# The money has not been seen.
UNSETTLED = (*UNDECIDED, PaymentStatus.CLOSED)
# The money arrived, whatever became of it later.
SETTLED = (PaymentStatus.PAID, PaymentStatus.REFUNDED)


class PaymentQuerySet(models.QuerySet["Payment"]):
    """Queries of payment attempts."""

    def of_orders(self, order_ids: Iterable[int]) -> Self:
        """Attempts of these orders."""
        return self.filter(order_id__in=sorted(set(order_ids)))

    def undecided(self) -> Self:
        """Attempts that are neither paid nor closed."""
        return self.filter(status__in=UNDECIDED)

    def decided(self) -> Self:
        """Attempts that are paid, closed or refunded."""
        return self.exclude(status__in=UNDECIDED)

    def unsettled(self) -> Self:
        """Attempts whose money has not been seen: undecided or closed."""
        return self.filter(status__in=UNSETTLED)

    def blocking_close(self) -> Self:
        """Attempts that keep their order from closing: undecided or paid."""
        return self.filter(status__in=(*UNDECIDED, PaymentStatus.PAID))

    def not_closing(self) -> Self:
        """Attempts whose closing nobody has requested."""
        return self.filter(close_wanted_at__isnull=True)

    def due(self, now: datetime) -> Self:
        """Attempts that are to be queried at `now` (UTC)."""
        return self.filter(next_query_at__lte=now)

    def lock(self, pk: int) -> Payment:
        """Lock one attempt for the rest of the transaction. Lock its order first."""
        return self.select_for_update(no_key=True).get(pk=pk)

    def lock_of_order(self, order_id: int) -> list[Payment]:
        """Lock the attempts of a locked order by primary key, for the rest of the transaction."""
        return list(self.select_for_update(no_key=True).filter(order_id=order_id).order_by("pk"))


class Payment(GuardedStatus, QuickLoad, models.Model):
    """One attempt. `reference` is our number, `provider_reference` the provider's. Committed before the provider is called.

    `expires_at` is the provider's own expiry (UTC), `next_query_at` when it is queried next, `close_wanted_at`
    is set while its order (or another attempt) waits for this one to be closed at the provider. `is_surplus`: the
    money arrived, but another attempt had paid the order or the order was closed; giving it back changes no order.
    `subject` is the description that the provider is given: providers want the same in each try of one attempt, whatever
    language the buyer has switched to. `page_renewed_at`: when payment page or code were ordered anew (UTC).
    """

    order = models.ForeignKey(
        "orders.Order", models.PROTECT, related_name="payments", db_index=False, verbose_name=_("order")
    )
    account = models.ForeignKey(
        "payments.PaymentAccount", models.PROTECT, db_index=False, verbose_name=_("payment account")
    )
    reference = models.CharField(_("merchant reference"), max_length=32)
    provider_reference = models.CharField(_("provider's reference"), max_length=64, default="", blank=True)
    amount = MoneyField(_("amount"))
    refunded_amount = MoneyField(_("refunded"), default=ZERO)
    is_surplus = models.BooleanField(_("surplus"), default=False, editable=False)
    currency = models.CharField(_("currency"), max_length=3, default="CNY")
    status = FSMField(
        _("status"),
        max_length=10,
        default=PaymentStatus.CREATED,
        choices=PaymentStatus.choices,
        protected=True,
        db_index=False,
    )
    pay_url = models.TextField(_("payment page"), default="", blank=True)
    code_url = models.CharField(_("payment code"), max_length=500, default="", blank=True)
    subject = models.CharField(max_length=128, default="", db_default="", editable=False)
    page_renewed_at = models.DateTimeField(null=True, editable=False)

    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires at"))
    paid_at = models.DateTimeField(_("paid at"), null=True, editable=False)
    closed_at = models.DateTimeField(_("closed at"), null=True, editable=False)

    next_query_at = models.DateTimeField(_("next query at"), null=True, editable=False)
    queries = models.PositiveSmallIntegerField(_("number of queries"), default=0, editable=False)
    last_query_at = models.DateTimeField(
        _("last polled at"), null=True, editable=False, db_column="last_asked_at"
    )
    last_answer = models.CharField(_("last answer"), max_length=200, default="", editable=False)
    close_wanted_at = models.DateTimeField(_("closing wanted since"), null=True, editable=False)

    objects = PaymentQuerySet.as_manager()

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["reference"], name="payment_reference", opclasses=["varchar_pattern_ops"]
            ),
            # One trade of a provider pays one attempt. The number comes first, so that a search uses it as well.
            models.UniqueConstraint(
                fields=["provider_reference", "account"],
                name="payment_provider_reference",
                condition=~Q(provider_reference=""),
                opclasses=["varchar_pattern_ops", "int8_ops"],
            ),
            models.UniqueConstraint(
                fields=["order", "account", "amount"],
                name="payment_one_open_attempt",
                condition=Q(status__in=UNDECIDED),
            ),
            models.CheckConstraint(condition=Q(amount__gt=ZERO), name="payment_amount_positive"),
            models.CheckConstraint(condition=Q(status__in=PaymentStatus.values), name="payment_status_known"),
            models.CheckConstraint(
                condition=Q(refunded_amount__gte=ZERO, refunded_amount__lte=F("amount")),
                name="payment_refund_within_amount",
            ),
        ]
        indexes = [
            models.Index(fields=["order", "id"], name="payment_of_order"),
            # The account first: polling one account must not read all that waits for another, whose circuit may be open.
            models.Index(
                fields=["account", "next_query_at"],
                name="payment_to_ask",
                condition=Q(next_query_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def is_undecided(self) -> bool:
        """Whether it is neither paid nor closed: the provider may still take the money."""
        return self.status in UNDECIDED

    @property
    def is_settled(self) -> bool:
        """Whether the money arrived, whatever became of it later."""
        return self.status in SETTLED

    @property
    def is_paid(self) -> bool:
        """Whether the money is here, perhaps refunded in part."""
        return bool(self.status == PaymentStatus.PAID)

    @property
    def is_closed(self) -> bool:
        """Whether it was closed unpaid."""
        return bool(self.status == PaymentStatus.CLOSED)

    @property
    def is_refunded(self) -> bool:
        """Whether all of its money went back."""
        return bool(self.status == PaymentStatus.REFUNDED)

    @property
    def refundable_amount(self) -> Decimal:
        """How much (yuan) can still be requested back; exact while the payment is locked. One query."""
        if not self.is_paid:
            return ZERO
        return self.amount - self.refunded_amount - self.refund_requests.live_amount()

    @transition(field=status, source=PaymentStatus.CREATED.value, target=PaymentStatus.OPEN.value)
    def open(self) -> None:
        """The provider has the attempt, or the buyer has its address."""

    @transition(
        field=status,
        source=[PaymentStatus.CREATED.value, PaymentStatus.OPEN.value, PaymentStatus.CLOSED.value],
        target=PaymentStatus.PAID.value,
    )
    def settle(self, at: datetime) -> None:
        """The money has arrived, perhaps after the attempt was closed: whether the order is paid is decided apart."""
        self.paid_at = at
        self.next_query_at = None
        self.close_wanted_at = None

    @transition(
        field=status,
        source=[PaymentStatus.CREATED.value, PaymentStatus.OPEN.value],
        target=PaymentStatus.CLOSED.value,
    )
    def close(self, at: datetime) -> None:
        self.closed_at = at
        self.next_query_at = None
        self.close_wanted_at = None

    @transition(field=status, source=PaymentStatus.PAID.value, target=PaymentStatus.REFUNDED.value)
    def refund(self) -> None:
        self.refunded_amount = self.amount


class Refund(models.Model):
    """A confirmed refund. `refund_reference` is the number under which the provider reports it.

    `is_unnumbered`: the provider sent no number, `refund_reference` is ours and names the sum that was reached.
    `reached_total`: the provider sent only this sum of all refunds, `amount` is what it rose by; an older sum that
    arrives later takes its part of it.
    """

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="refunds", db_index=False)
    refund_reference = models.CharField(_("refund reference"), max_length=64)
    is_unnumbered = models.BooleanField(default=False, db_default=False, editable=False)
    amount = MoneyField(_("amount"))
    reached_total = MoneyField(null=True, editable=False)
    refunded_at = models.DateTimeField(_("refunded at"))
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        constraints = [
            models.UniqueConstraint(fields=["payment", "refund_reference"], name="refund_reference_once"),
            models.CheckConstraint(condition=Q(amount__gt=ZERO), name="refund_amount_positive"),
        ]

    def __str__(self) -> str:
        return self.refund_reference
