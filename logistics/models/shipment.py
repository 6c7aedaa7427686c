"""Parcels, their contents and their tracking events. Only `logistics.dispatch` and `logistics.tracking` write them."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from ordersite.lib.models.guarded_status import GuardedStatus
from ordersite.lib.money import MoneyField


class ShipmentStatus(models.TextChoices):
    SHIPPED = "shipped", _("left the warehouse")
    MOVING = "moving", _("under way")
    DELIVERED = "delivered", _("signed for")
    RETURNED = "returned", _("returned")


CARRIERS = (
    ("sf", _("SF Express")),
    ("zto", _("ZTO")),
    ("yto", _("YTO")),
    ("sto", _("STO")),
    ("yunda", _("Yunda")),
    ("jtexpress", _("J&T")),
    ("jd", _("JD Logistics")),
    ("ems", _("EMS")),
    ("deppon", _("Deppon")),
    ("other", _("other carrier")),
)


UNDER_WAY = (ShipmentStatus.SHIPPED, ShipmentStatus.MOVING)


class ShipmentQuerySet(models.QuerySet["Shipment"]):
    """Queries of parcels."""

    def of_merchant(self, merchant_id: int | None) -> Self:
        """Parcels of one merchant; of all merchants when None."""
        return self.all() if merchant_id is None else self.filter(merchant_id=merchant_id)

    def under_way(self) -> Self:
        """Parcels that have neither been signed for nor returned."""
        return self.filter(status__in=UNDER_WAY)

    def due(self, now: datetime) -> Self:
        """Parcels whose route is to be polled at `now` (UTC)."""
        return self.filter(next_check_at__lte=now)

    def lock_of_order(self, order_id: int) -> list[Shipment]:
        """Lock the parcels of a locked order by primary key, for the rest of the transaction."""
        return list(self.select_for_update(no_key=True).filter(order_id=order_id).order_by("pk"))


class Shipment(GuardedStatus, models.Model):
    """One parcel of an order. All times are UTC.

    `next_check_at` is when its route is polled next; empty once it has arrived. `last_poll_at` is when the carrier
    was polled (the minimum interval counts from there), `last_checked_at` when it last answered. For a carrier that
    answers so many queries a day, `queries_today` counts them since `queries_since`; `capped_until` is set once they are
    used up. The three cities are those of the drawn route, empty where the carrier does not name them.
    """

    order = models.ForeignKey(
        "orders.Order", models.PROTECT, related_name="shipments", db_index=False, verbose_name=_("order")
    )
    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    warehouse = models.ForeignKey(
        "logistics.Warehouse", models.PROTECT, db_index=False, verbose_name=_("warehouse")
    )
    carrier = models.CharField(_("carrier"), max_length=20, choices=CARRIERS)
    tracking_number = models.CharField(_("waybill number"), max_length=40)
    status = FSMField(
        _("status"),
        max_length=12,
        default=ShipmentStatus.SHIPPED,
        choices=ShipmentStatus.choices,
        protected=True,
        db_index=False,
    )
    tracking_status = models.CharField(_("tracking status"), max_length=20, default="pending")
    insured_value = MoneyField(_("insured value"), null=True, blank=True)
    shipped_at = models.DateTimeField(_("shipped at"))
    delivered_at = models.DateTimeField(_("delivered at"), null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    is_important = models.BooleanField(default=False, editable=False)

    next_check_at = models.DateTimeField(_("checked next at"), null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    last_poll_at = models.DateTimeField(
        _("last polled at"), null=True, editable=False, db_column="last_asked_at"
    )
    last_checked_at = models.DateTimeField(_("last checked at"), null=True, editable=False)
    last_event_at = models.DateTimeField(_("last event at"), null=True, editable=False)
    checks = models.PositiveIntegerField(_("checks"), default=0, editable=False)
    queries_today = models.PositiveSmallIntegerField(
        _("queries of the day"), default=0, db_default=0, editable=False
    )
    queries_since = models.DateTimeField(null=True, editable=False)
    capped_until = models.DateTimeField(_("asked again from"), null=True, editable=False)
    check_failures = models.PositiveSmallIntegerField(default=0, editable=False)
    last_problem = models.CharField(_("last problem"), max_length=200, default="", editable=False)
    origin_city = models.CharField(_("from city"), max_length=40, default="", editable=False)
    current_city = models.CharField(_("current city"), max_length=40, default="", editable=False)
    destination_city = models.CharField(_("to city"), max_length=40, default="", editable=False)

    objects = ShipmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("shipment")
        verbose_name_plural = _("shipments")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["carrier", "tracking_number"],
                name="shipment_waybill",
                opclasses=["varchar_ops", "varchar_pattern_ops"],
            ),
            models.CheckConstraint(
                condition=Q(status__in=ShipmentStatus.values), name="shipment_status_known"
            ),
        ]
        indexes = [
            models.Index(fields=["order", "id"], name="shipment_of_order"),
            models.Index(
                fields=["tracking_number"], name="shipment_number", opclasses=["varchar_pattern_ops"]
            ),
            models.Index(
                fields=["merchant", "-is_important", "next_check_at"],
                name="shipment_to_check",
                condition=Q(next_check_at__isnull=False),
            ),
            models.Index(
                fields=["shipped_at"],
                name="shipment_under_way",
                condition=Q(status__in=[ShipmentStatus.SHIPPED, ShipmentStatus.MOVING]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_carrier_display()} {self.tracking_number}"

    @property
    def is_under_way(self) -> bool:
        """Whether it has neither been signed for nor returned."""
        return self.status in UNDER_WAY

    @property
    def is_polled(self) -> bool:
        """Whether its route is still polled: until it was signed for or returned."""
        return self.next_check_at is not None

    @property
    def is_unanswered(self) -> bool:
        """Whether the carrier was queried after its last answer and has not answered usefully since."""
        polled, answered = self.last_poll_at, self.last_checked_at
        return bool(self.last_problem) and polled is not None and (answered is None or polled > answered)

    def is_due(self, now: datetime) -> bool:
        """Whether its route is to be polled at `now` (UTC)."""
        return self.next_check_at is not None and self.next_check_at <= now

    def is_leased(self, now: datetime) -> bool:
        """Whether a poller holds its lease at `now` (UTC)."""
        return self.leased_until is not None and self.leased_until > now

    @transition(field=status, source=ShipmentStatus.SHIPPED.value, target=ShipmentStatus.MOVING.value)
    def move(self) -> None:
        """The carrier has scanned the parcel."""

    @transition(
        field=status,
        source=[ShipmentStatus.SHIPPED.value, ShipmentStatus.MOVING.value],
        target=ShipmentStatus.DELIVERED.value,
    )
    def deliver(self, at: datetime) -> None:
        """The parcel was signed for at `at` (UTC)."""
        self.delivered_at = at
        self.next_check_at = None

    @transition(
        field=status,
        source=[ShipmentStatus.SHIPPED.value, ShipmentStatus.MOVING.value, ShipmentStatus.DELIVERED.value],
        target=ShipmentStatus.RETURNED.value,
    )
    def come_back(self) -> None:
        """The parcel was returned to the sender."""
        self.next_check_at = None


class ShipmentLine(models.Model):
    """The quantity of an order line that is in a parcel."""

    shipment = models.ForeignKey(Shipment, models.PROTECT, related_name="lines", db_index=False)
    order_line = models.ForeignKey(
        "orders.OrderLine", models.PROTECT, related_name="shipped", verbose_name=_("order line")
    )
    quantity = models.PositiveIntegerField(_("quantity"))

    class Meta:
        verbose_name = _("shipment line")
        verbose_name_plural = _("shipment lines")
        constraints = [
            models.UniqueConstraint(fields=["shipment", "order_line"], name="shipment_line_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="shipment_line_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.order_line_id} ×{self.quantity}"


class TrackingEvent(models.Model):
    """One event of a parcel's route as the carrier reported it; unique by time and text, ordered by `at` (UTC)."""

    shipment = models.ForeignKey(Shipment, models.PROTECT, related_name="events", db_index=False)
    at = models.DateTimeField(_("time"))
    status = models.CharField(_("status"), max_length=20)
    text = models.CharField(_("text"), max_length=500)
    location = models.CharField(_("place"), max_length=100, default="", blank=True)
    provider_code = models.CharField(_("carrier's code"), max_length=20, default="", blank=True)
    text_digest = models.CharField(max_length=32, editable=False)
    received_at = models.DateTimeField(_("received at"), default=timezone.now)

    class Meta:
        verbose_name = _("tracking event")
        verbose_name_plural = _("tracking events")
        ordering = ["at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["shipment", "at", "text_digest"], name="tracking_event_once"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.text}"
