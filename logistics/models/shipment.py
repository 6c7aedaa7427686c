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


class Subscription(models.TextChoices):
    """Whether the carrier pushes a parcel's events because it was subscribed."""

    NONE = "", _("not subscribed")
    ACTIVE = "active", _("subscribed")
    ENDED = "ended", _("ended by the carrier")
    GIVEN_UP = "given_up", _("given up")


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
    was polled (the minimum interval counts from there), `last_checked_at` when it last answered, or pushed an event by
    itself (`last_pushed_at`). For a carrier that answers so many queries a day, `queries_today` counts them since
    `queries_since`; `capped_until` is set once they are used up. `subscription_problem` is why the carrier did not accept
    the last of `subscription_tries`. The three cities are those of the drawn route, empty where the carrier does not
    name them. `estimated_at` is when the carrier expects to deliver it; empty where it has not said, or the parcel has
    arrived.
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
    last_pushed_at = models.DateTimeField(_("last pushed at"), null=True, editable=False)
    estimated_at = models.DateTimeField(_("expected at"), null=True, editable=False)
    last_event_at = models.DateTimeField(_("last event at"), null=True, editable=False)
    checks = models.PositiveIntegerField(_("checks"), default=0, editable=False)
    queries_today = models.PositiveSmallIntegerField(
        _("queries of the day"), default=0, db_default=0, editable=False
    )
    queries_since = models.DateTimeField(null=True, editable=False)
    capped_until = models.DateTimeField(_("asked again from"), null=True, editable=False)
    check_failures = models.PositiveSmallIntegerField(default=0, editable=False)
    last_problem = models.CharField(_("last problem"), max_length=200, default="", editable=False)
    subscription = models.CharField(
        _("subscription to pushes"),
        max_length=10,
        choices=Subscription.choices,
        default=Subscription.NONE,
        db_default=Subscription.NONE.value,
        editable=False,
    )
    subscription_tries = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    subscription_problem = models.CharField(max_length=200, default="", db_default="", editable=False)
    origin_city = models.CharField(_("from city"), max_length=40, default="", editable=False)
    current_city = models.CharField(_("current city"), max_length=40, default="", editable=False)
    destination_city = models.CharField(_("to city"), max_length=40, default="", editable=False)

    objects = ShipmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("shipment")
        verbose_name_plural = _("shipments")
        ordering = ["-id"]
        permissions = [("change_number", _("Can change waybill numbers"))]
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
            models.Index(
                fields=["last_event_at"],
                name="shipment_last_news",
                condition=Q(status__in=[ShipmentStatus.SHIPPED, ShipmentStatus.MOVING]),
            ),
            models.Index(
                fields=["tracking_status", "id"],
                name="shipment_near_the_buyer",
                condition=Q(tracking_status__in=["ready_for_pickup", "out_for_delivery", "exception"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_carrier_display()} {self.tracking_number}"

    @property
    def is_under_way(self) -> bool:
        """Whether it has neither been signed for nor returned."""
        return self.status in UNDER_WAY

    @property
    def is_going_back(self) -> bool:
        """Whether it has turned back and has not come back yet, as far as its timeline says."""
        return self.tracking_status == "returning" and self.status != ShipmentStatus.RETURNED

    @property
    def is_polled(self) -> bool:
        """Whether its route is still polled: until it was signed for or returned."""
        return self.next_check_at is not None

    @property
    def is_unanswered(self) -> bool:
        """Whether the carrier was queried after its last answer and has not answered usefully since."""
        polled, answered = self.last_poll_at, self.last_checked_at
        return bool(self.last_problem) and polled is not None and (answered is None or polled > answered)

    @property
    def was_pushed(self) -> bool:
        """Whether the last that was heard of it, the carrier pushed by itself."""
        pushed, checked = self.last_pushed_at, self.last_checked_at
        return pushed is not None and checked is not None and pushed >= checked

    def is_due(self, now: datetime) -> bool:
        """Whether its route is to be polled at `now` (UTC)."""
        return self.next_check_at is not None and self.next_check_at <= now

    def is_leased(self, now: datetime) -> bool:
        """Whether a poller holds its lease at `now` (UTC)."""
        return self.leased_until is not None and self.leased_until > now

    @transition(
        field=status,
        source=[ShipmentStatus.SHIPPED.value, ShipmentStatus.MOVING.value],
        target=ShipmentStatus.SHIPPED.value,
    )
    def start_anew(self, now: datetime) -> None:
        """Its number was wrong: nothing is known of the right one yet, and it is polled at once (`now`, UTC)."""
        self.tracking_status, self.next_check_at = "pending", now
        self.leased_until = self.last_poll_at = self.last_checked_at = self.last_event_at = None
        self.queries_since = self.capped_until = self.estimated_at = None
        self.checks = self.queries_today = self.check_failures = self.subscription_tries = 0
        self.last_pushed_at, self.subscription = None, Subscription.NONE.value
        self.last_problem = self.subscription_problem = ""
        self.origin_city = self.current_city = self.destination_city = ""

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
        self.next_check_at = self.estimated_at = None

    @transition(
        field=status,
        source=[ShipmentStatus.SHIPPED.value, ShipmentStatus.MOVING.value, ShipmentStatus.DELIVERED.value],
        target=ShipmentStatus.RETURNED.value,
    )
    def come_back(self) -> None:
        """The parcel was returned to the sender."""
        self.next_check_at = self.estimated_at = None


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
    """One event of a parcel's route as the carrier reported it; unique by time and text, ordered by `at` (UTC).

    `source` is the connector whose code `provider_code` is; empty: Kuaidi100, as before there was another. `place`
    orders the events of one second. `overall_status`: what the carrier said of the parcel as a whole, where it does not
    say it with a code that is known.
    """

    OLDEST_FIRST = ("at", "place", "text_digest")
    NEWEST_FIRST = ("-at", "-place", "-text_digest")

    shipment = models.ForeignKey(Shipment, models.PROTECT, related_name="events", db_index=False)
    at = models.DateTimeField(_("time"))
    status = models.CharField(_("status"), max_length=20)
    text = models.CharField(_("text"), max_length=500)
    location = models.CharField(_("place"), max_length=100, default="", blank=True)
    provider_code = models.CharField(_("carrier's code"), max_length=20, default="", blank=True)
    source = models.CharField(_("said by"), max_length=20, default="", db_default="", blank=True)
    overall_status = models.CharField(max_length=20, default="", db_default="", blank=True, editable=False)
    place = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    text_digest = models.CharField(max_length=32, editable=False)
    received_at = models.DateTimeField(_("received at"), default=timezone.now)

    class Meta:
        verbose_name = _("tracking event")
        verbose_name_plural = _("tracking events")
        ordering = ["at", "place", "text_digest"]
        constraints = [
            models.UniqueConstraint(fields=["shipment", "at", "text_digest"], name="tracking_event_once"),
        ]
        # The report of codes that no table knows.
        indexes = [
            models.Index(
                fields=["source", "provider_code", "id"],
                name="tracking_unknown_code",
                condition=Q(status="unknown"),
            )
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.text}"
