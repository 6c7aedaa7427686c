"""Orders, their lines and their transitions. Only `orders.lifecycle` fires a transition."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from ordersite.lib.models.guarded_status import GuardedStatus
from ordersite.lib.models.quick_load import QuickLoad
from ordersite.lib.money import ZERO, MoneyField


class OrderStatus(models.TextChoices):
    PENDING = "pending", _("pending")
    PAID = "paid", _("paid")
    SHIPPED = "shipped", _("shipped")
    COMPLETED = "completed", _("completed")
    CLOSED = "closed", _("closed")
    REFUNDED = "refunded", _("refunded")


class OrderQuerySet(models.QuerySet["Order"]):
    """Queries of orders."""

    def of_merchant(self, merchant_id: int | None) -> Self:
        """Orders of one merchant; of all merchants when None."""
        return self.all() if merchant_id is None else self.filter(merchant_id=merchant_id)

    def pending(self) -> Self:
        return self.filter(status=OrderStatus.PENDING)

    def overdue(self, now: datetime) -> Self:
        """Unpaid orders whose time to pay is over at `now` (UTC)."""
        return self.pending().filter(close_due_at__lte=now)

    def without_attempt(self) -> Self:
        """Orders for which no payment was ever started."""
        return self.filter(payment_started_at__isnull=True)

    def with_attempt(self) -> Self:
        """Orders with a payment attempt whose closing nobody has requested."""
        return self.filter(payment_started_at__isnull=False, closing_at__isnull=True)

    def waiting_to_close(self) -> Self:
        """Orders that close once the payment provider has answered."""
        return self.filter(closing_at__isnull=False)

    def held(self) -> Self:
        return self.filter(held=True)

    def twins_of(self, order: Order) -> Self:
        """Orders of the same buyer and product set that were created in the same minute, or wait for money."""
        alike = self.filter(buyer_id=order.buyer_id, product_set=order.product_set)
        return alike.filter(Q(minute=order.minute) | Q(status=OrderStatus.PENDING))


class Order(GuardedStatus, QuickLoad, models.Model):
    """One purchase of one buyer. Times are UTC, money is yuan.

    The buyer's name and phone and the address are copies of what was given with the order.
    """

    number = models.CharField(_("order number"), max_length=24)
    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    buyer = models.ForeignKey("orders.Buyer", models.PROTECT, db_index=False, verbose_name=_("buyer"))
    status = FSMField(
        _("status"),
        max_length=10,
        default=OrderStatus.PENDING,
        choices=OrderStatus.choices,
        protected=True,
        db_index=False,
    )
    held = models.BooleanField(_("held"), default=False)
    hold_reason = models.CharField(_("hold reason"), max_length=200, default="", blank=True)

    currency = models.CharField(_("currency"), max_length=3, default="CNY")
    goods_amount = MoneyField(_("goods"))
    shipping_fee = MoneyField(_("shipping fee"), default=ZERO)
    discount = MoneyField(_("discount"), default=ZERO)
    total_amount = MoneyField(_("total"))
    # The sum of the refunds under way: while it is above zero the order does not ship.
    refunds_pending = MoneyField(_("refunds under way"), default=ZERO, editable=False)
    refunded_amount = MoneyField(_("refunded"), default=ZERO)

    buyer_name = models.CharField(_("buyer's name"), max_length=80)
    buyer_phone = models.CharField(_("buyer's phone"), max_length=20)
    is_important = models.BooleanField(_("important customer"), default=False)
    province = models.CharField(_("province"), max_length=40)
    city = models.CharField(_("city"), max_length=40)
    district = models.CharField(_("district"), max_length=40)
    street = models.CharField(_("street"), max_length=200)
    postcode = models.CharField(_("postcode"), max_length=10, default="", blank=True)
    note = models.CharField(_("note"), max_length=500, default="", blank=True)
    device_id = models.CharField(_("device"), max_length=100, default="", blank=True)
    client_ip = models.CharField(_("client address"), max_length=45, default="", blank=True)

    created_at = models.DateTimeField(
        pgettext_lazy("order", "created at"), default=timezone.now, editable=False
    )
    close_due_at = models.DateTimeField(_("closes unpaid at"))
    payment_started_at = models.DateTimeField(_("payment started at"), null=True, editable=False)
    closing_at = models.DateTimeField(_("closing since"), null=True, editable=False)
    paid_at = models.DateTimeField(_("paid at"), null=True, editable=False)
    shipped_at = models.DateTimeField(_("shipped at"), null=True, editable=False)
    completed_at = models.DateTimeField(_("completed at"), null=True, editable=False)
    closed_at = models.DateTimeField(_("closed at"), null=True, editable=False)
    refunded_at = models.DateTimeField(_("refunded at"), null=True, editable=False)

    # Plain columns of the constraint against twins: an expression index over a time zone would freeze the zone in it.
    product_set = models.CharField(max_length=64, editable=False)
    minute = models.BigIntegerField(editable=False)
    twin_number = models.PositiveSmallIntegerField(default=0, editable=False)

    tracking_token = models.CharField(max_length=32, editable=False)
    history_seq = models.PositiveIntegerField(default=0, editable=False)
    history_hash = models.CharField(max_length=64, default="", editable=False)

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ("-id",)
        permissions = [
            ("view_buyer_phone", _("Can see whole phone numbers")),
            ("close_order", _("Can close unpaid orders")),
            ("hold_order", _("Can hold and release orders")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["number"], name="order_number", opclasses=["varchar_pattern_ops"]
            ),
            models.UniqueConstraint(fields=["tracking_token"], name="order_tracking_token"),
            models.UniqueConstraint(
                fields=["buyer", "product_set", "minute", "twin_number"], name="order_minute_twin"
            ),
            # Twins on both sides of a minute's edge: of orders that wait for money there is one.
            models.UniqueConstraint(
                fields=["buyer", "product_set", "twin_number"],
                condition=Q(status=OrderStatus.PENDING),
                name="order_pending_twin",
            ),
            models.CheckConstraint(condition=Q(status__in=OrderStatus.values), name="order_status_known"),
            models.CheckConstraint(
                condition=Q(total_amount=F("goods_amount") + F("shipping_fee") - F("discount")),
                name="order_total_adds_up",
            ),
            models.CheckConstraint(condition=Q(total_amount__gt=ZERO), name="order_total_positive"),
            models.CheckConstraint(
                condition=Q(refunded_amount__gte=ZERO, refunded_amount__lte=F("total_amount")),
                name="order_refund_within_total",
            ),
            models.CheckConstraint(condition=Q(refunds_pending__gte=ZERO), name="order_refunds_pending"),
            models.CheckConstraint(
                condition=~Q(
                    status__in=[
                        OrderStatus.PAID,
                        OrderStatus.SHIPPED,
                        OrderStatus.COMPLETED,
                        OrderStatus.REFUNDED,
                    ]
                )
                | Q(paid_at__isnull=False),
                name="order_paid_has_time",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "-id"], name="order_by_status"),
            models.Index(fields=["merchant", "-id"], name="order_by_merchant"),
            # The API filters a shop's list by time, in the order of this index.
            models.Index(fields=["merchant", "-created_at", "-id"], name="order_by_merchant_time"),
            models.Index(
                fields=["buyer_phone", "-id"],
                name="order_by_phone",
                opclasses=["varchar_pattern_ops", "int8_ops"],
            ),
            models.Index(
                fields=["close_due_at", "id"],
                name="order_due_untried",
                condition=Q(status=OrderStatus.PENDING, payment_started_at__isnull=True),
            ),
            models.Index(
                fields=["close_due_at", "id"],
                name="order_due_tried",
                condition=Q(
                    status=OrderStatus.PENDING, payment_started_at__isnull=False, closing_at__isnull=True
                ),
            ),
            models.Index(fields=["closing_at"], name="order_closing", condition=Q(closing_at__isnull=False)),
            models.Index(fields=["id"], name="order_held", condition=Q(held=True)),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def is_stopped(self) -> bool:
        """Whether it must not ship: a person holds it, or a refund is under way."""
        return self.held or self.refunds_pending > ZERO

    @property
    def is_stopped_by_refund(self) -> bool:
        """Whether only a refund that is under way keeps it from shipping."""
        return self.status == OrderStatus.PAID and self.refunds_pending > ZERO

    @property
    def is_payable(self) -> bool:
        """Whether a payment may be started now: it is unpaid, in time, and nobody is closing it."""
        is_open = self.status == OrderStatus.PENDING and self.closing_at is None
        return is_open and self.close_due_at > timezone.now()

    @property
    def is_waiting_to_close(self) -> bool:
        """Whether it is unpaid and closes once the payment provider has answered."""
        return self.status == OrderStatus.PENDING and self.closing_at is not None

    @transition(field=status, source=OrderStatus.PENDING.value, target=OrderStatus.PAID.value)
    def pay(self, at: datetime) -> None:
        self.paid_at = at
        self.closing_at = None

    @transition(field=status, source=OrderStatus.PAID.value, target=OrderStatus.SHIPPED.value)
    def ship(self, at: datetime) -> None:
        self.shipped_at = at

    @transition(field=status, source=OrderStatus.SHIPPED.value, target=OrderStatus.COMPLETED.value)
    def complete(self, at: datetime) -> None:
        self.completed_at = at

    @transition(field=status, source=OrderStatus.PENDING.value, target=OrderStatus.CLOSED.value)
    def close(self, at: datetime) -> None:
        self.closed_at = at
        self.closing_at = None

    @transition(field=status, source=OrderStatus.CLOSED.value, target=OrderStatus.PAID.value)
    def revive(self, at: datetime) -> None:
        self.paid_at = at
        self.closed_at = None

    @transition(
        field=status,
        source=[OrderStatus.PAID.value, OrderStatus.SHIPPED.value, OrderStatus.COMPLETED.value],
        target=OrderStatus.REFUNDED.value,
    )
    def refund(self, at: datetime) -> None:
        self.refunded_at = at
        self.refunded_amount = self.total_amount


class OrderLine(models.Model):
    """One product of an order. `unit_price` and `amount` (quantity times unit price) are yuan."""

    order = models.ForeignKey(
        Order, models.PROTECT, related_name="lines", db_index=False, verbose_name=_("order")
    )
    position = models.PositiveSmallIntegerField(_("position"))
    product_id = models.CharField(_("product"), max_length=64)
    name = models.CharField(_("name"), max_length=200)
    quantity = models.PositiveIntegerField(_("quantity"))
    unit_price = MoneyField(_("unit price"))
    amount = MoneyField(_("amount"))

    class Meta:
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")
        ordering = ("position",)
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="order_line_position"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="order_line_quantity_positive"),
            models.CheckConstraint(
                condition=Q(amount=F("unit_price") * F("quantity")), name="order_line_adds_up"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ×{self.quantity}"
