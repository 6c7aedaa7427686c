"""The order, its lines and its state machine. Only `orders.lifecycle` calls a transition."""

from __future__ import annotations

from datetime import datetime

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


S = OrderStatus


class Order(GuardedStatus, QuickLoad, models.Model):
    """One purchase. Times are UTC, money is yuan, the address and the buyer's names are as they were when ordered."""

    number = models.CharField(_("order number"), max_length=24)
    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    buyer = models.ForeignKey("orders.Buyer", models.PROTECT, db_index=False, verbose_name=_("buyer"))
    status = FSMField(
        _("status"), max_length=10, default=S.PENDING, choices=S.choices, protected=True, db_index=False
    )
    held = models.BooleanField(_("held"), default=False)
    hold_reason = models.CharField(_("hold reason"), max_length=200, default="", blank=True)

    currency = models.CharField(_("currency"), max_length=3, default="CNY")
    goods_amount = MoneyField(_("goods"))
    shipping_fee = MoneyField(_("shipping fee"), default=ZERO)
    discount = MoneyField(_("discount"), default=ZERO)
    total_amount = MoneyField(_("total"))
    # Asked back and not ended: while it is above zero the order does not ship.
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

    # Plain columns of the minute-twin constraint: an expression index over a time zone would freeze the zone in it.
    product_set = models.CharField(max_length=64, editable=False)
    minute = models.BigIntegerField(editable=False)
    twin_number = models.PositiveSmallIntegerField(default=0, editable=False)

    tracking_token = models.CharField(max_length=32, editable=False)
    history_seq = models.PositiveIntegerField(default=0, editable=False)
    history_hash = models.CharField(max_length=64, default="", editable=False)

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
            models.CheckConstraint(condition=Q(status__in=S.values), name="order_status_known"),
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
                condition=~Q(status__in=[S.PAID, S.SHIPPED, S.COMPLETED, S.REFUNDED])
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
                condition=Q(status=S.PENDING, payment_started_at__isnull=True),
            ),
            models.Index(
                fields=["close_due_at", "id"],
                name="order_due_tried",
                condition=Q(status=S.PENDING, payment_started_at__isnull=False, closing_at__isnull=True),
            ),
            models.Index(fields=["closing_at"], name="order_closing", condition=Q(closing_at__isnull=False)),
            models.Index(fields=["id"], name="order_held", condition=Q(held=True)),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def is_stopped(self) -> bool:
        """Whether nothing of it may leave: a person holds it, or money of it is on its way back to the buyer."""
        return self.held or self.refunds_pending > ZERO

    @transition(field=status, source=S.PENDING.value, target=S.PAID.value)
    def pay(self, at: datetime) -> None:
        self.paid_at = at
        self.closing_at = None

    @transition(field=status, source=S.PAID.value, target=S.SHIPPED.value)
    def ship(self, at: datetime) -> None:
        self.shipped_at = at

    @transition(field=status, source=S.SHIPPED.value, target=S.COMPLETED.value)
    def complete(self, at: datetime) -> None:
        self.completed_at = at

    @transition(field=status, source=S.PENDING.value, target=S.CLOSED.value)
    def close(self, at: datetime) -> None:
        self.closed_at = at
        self.closing_at = None

    @transition(field=status, source=S.CLOSED.value, target=S.PAID.value)
    def revive(self, at: datetime) -> None:
        self.paid_at = at
        self.closed_at = None

    @transition(
        field=status, source=[S.PAID.value, S.SHIPPED.value, S.COMPLETED.value], target=S.REFUNDED.value
    )
    def refund(self, at: datetime) -> None:
        self.refunded_at = at
        self.refunded_amount = self.total_amount


class OrderLine(models.Model):
    """One product of an order; `amount` is quantity times unit price, in yuan."""

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
