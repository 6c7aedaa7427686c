"""Waybills that are ordered at carriers, and the goods that each reserves. Only `logistics.waybills` writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from logistics.models.shipment import CARRIERS
from ordersite.lib.models.guarded_status import GuardedStatus
from ordersite.lib.money import MoneyField


class WaybillStatus(models.TextChoices):
    """Requested: stored, its carrier has not answered. Unknown: the carrier may have made it."""

    REQUESTED = "requested", _("being ordered")
    UNKNOWN = "unknown", _("answer of the carrier unknown")
    MADE = "made", pgettext_lazy("waybill", "made")
    REFUSED = "refused", _("refused by the carrier")
    CANCELLED = "cancelled", _("cancelled")


RESERVING = (WaybillStatus.REQUESTED, WaybillStatus.UNKNOWN)
_RESERVING = [WaybillStatus.REQUESTED.value, WaybillStatus.UNKNOWN.value]


class WaybillOrderQuerySet(models.QuerySet["WaybillOrder"]):
    """Queries of ordered waybills."""

    def reserving(self) -> Self:
        """Those whose goods may be in a parcel already: nobody else may ship them."""
        return self.filter(status__in=RESERVING)

    def due(self, now: datetime) -> Self:
        """Those that the resolver works on at `now` (UTC), longest waiting first."""
        is_free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
        return self.filter(is_free, next_try_at__lte=now).order_by("next_try_at", "pk")


class WaybillOrder(GuardedStatus, models.Model):
    """One waybill ordered at a carrier, under a reference of ours that is never used again. Times are UTC.

    It is committed before the carrier is called. `parcel_id` is the id that its parcel gets once the number is known;
    until then no such parcel exists. `cancel_code` says why it is to be cancelled at the carrier; empty while it is
    wanted. A made one keeps its parcel when the carrier has cancelled it: there is no way back from shipped, and a
    case says what to do. `refusal` are the carrier's own words. `next_try_at` is when the resolver works on it; empty
    once nothing is left to do. `label_url` is where the carrier's label is fetched, `label_file` its name in the
    private storage, `marks` what a label of our own prints. `answer_digest` is the SHA-256 of the carrier's answer.
    """

    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    order = models.ForeignKey(
        "orders.Order",
        models.PROTECT,
        related_name="waybill_orders",
        db_index=False,
        verbose_name=_("order"),
    )
    account = models.ForeignKey("logistics.CarrierAccount", models.PROTECT, verbose_name=_("carrier account"))
    warehouse = models.ForeignKey(
        "logistics.Warehouse", models.PROTECT, db_index=False, verbose_name=_("warehouse")
    )
    parcel = models.OneToOneField(
        "logistics.Shipment",
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        related_name="waybill_order",
        verbose_name=_("shipment"),
    )
    reference = models.CharField(_("reference"), max_length=32)
    carrier = models.CharField(_("carrier"), max_length=20, choices=CARRIERS)
    status = FSMField(
        _("status"),
        max_length=12,
        default=WaybillStatus.REQUESTED,
        choices=WaybillStatus.choices,
        protected=True,
        db_index=False,
    )
    insured_value = MoneyField(_("insured value"), null=True, blank=True)
    tracking_number = models.CharField(_("waybill number"), max_length=40, default="", blank=True)
    actor_kind = models.CharField(_("actor"), max_length=20)
    actor_id = models.CharField(_("actor id"), max_length=64, default="", blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    settled_at = models.DateTimeField(_("settled at"), null=True, editable=False)
    calls = models.PositiveIntegerField(_("tries"), default=0, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    next_try_at = models.DateTimeField(_("tried next at"), null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    cancel_code = models.CharField(_("cancelled because"), max_length=30, default="", editable=False)
    refusal = models.CharField(_("the carrier's words"), max_length=200, default="", editable=False)
    last_problem = models.CharField(_("last problem"), max_length=200, default="", editable=False)
    label_url = models.CharField(max_length=500, default="", editable=False)
    label_file = models.CharField(max_length=40, default="", editable=False)
    marks = models.JSONField(default=dict, editable=False)
    answer_digest = models.CharField(max_length=64, default="", editable=False)

    objects = WaybillOrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("ordered waybill")
        verbose_name_plural = _("ordered waybills")
        ordering = ["-id"]
        permissions = [
            ("order_waybill", _("Can order and cancel waybills")),
            ("print_label", _("Can print labels")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["reference"], name="waybill_reference", opclasses=["varchar_pattern_ops"]
            ),
            models.CheckConstraint(condition=Q(status__in=WaybillStatus.values), name="waybill_status_known"),
            models.CheckConstraint(
                condition=~Q(status="made") | ~Q(tracking_number=""), name="waybill_made_has_number"
            ),
        ]
        indexes = [
            models.Index(fields=["order", "id"], name="waybill_of_order"),
            models.Index(
                fields=["next_try_at", "id"],
                name="waybill_to_try",
                condition=Q(next_try_at__isnull=False),
            ),
            models.Index(fields=["status", "-id"], name="waybill_by_status", condition=~Q(status="made")),
            models.Index(
                fields=["tracking_number"],
                name="waybill_number",
                opclasses=["varchar_pattern_ops"],
                condition=~Q(tracking_number=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_carrier_display()} {self.tracking_number or self.reference}"

    @property
    def is_reserving(self) -> bool:
        """Whether its goods may be in a parcel already, or soon."""
        return self.status in RESERVING

    @property
    def is_made(self) -> bool:
        return bool(self.status == WaybillStatus.MADE)

    @property
    def is_printable(self) -> bool:
        """Whether its label may go on a parcel: it is made, and nobody has it cancelled at the carrier."""
        return self.is_made and not self.cancel_code

    @property
    def has_label(self) -> bool:
        """Whether the carrier's own label is here."""
        return bool(self.label_file)

    @transition(field=status, source=_RESERVING, target=WaybillStatus.UNKNOWN.value)
    def doubt(self) -> None:
        """The carrier may have made it, or has made it and it is to be cancelled."""

    @transition(
        field=status,
        source=[WaybillStatus.REFUSED.value, WaybillStatus.CANCELLED.value],
        target=WaybillStatus.UNKNOWN.value,
    )
    def reappear(self) -> None:
        """The carrier made it after it had been given up here: it is to be cancelled."""

    @transition(field=status, source=_RESERVING, target=WaybillStatus.MADE.value)
    def make(self, at: datetime) -> None:
        """The number is known, and the parcel is stored with it."""
        self.settled_at = at

    @transition(field=status, source=_RESERVING, target=WaybillStatus.REFUSED.value)
    def refuse(self, at: datetime) -> None:
        """The carrier certainly made none."""
        self.settled_at, self.next_try_at = at, None

    @transition(field=status, source=_RESERVING, target=WaybillStatus.CANCELLED.value)
    def cancel(self, at: datetime) -> None:
        """The carrier has none under this reference, or has cancelled it."""
        self.settled_at, self.next_try_at = at, None


class WaybillLine(models.Model):
    """The quantity of an order line that an ordered waybill is for."""

    waybill = models.ForeignKey(WaybillOrder, models.CASCADE, related_name="lines", db_index=False)
    order_line = models.ForeignKey(
        "orders.OrderLine", models.PROTECT, related_name="reserved", verbose_name=_("order line")
    )
    quantity = models.PositiveIntegerField(_("quantity"))

    class Meta:
        verbose_name = _("line of an ordered waybill")
        verbose_name_plural = _("lines of ordered waybills")
        constraints = [
            models.UniqueConstraint(fields=["waybill", "order_line"], name="waybill_line_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="waybill_line_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.order_line_id} ×{self.quantity}"
