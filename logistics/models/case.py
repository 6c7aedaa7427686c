"""Cases of parcels, the rows of the logistics work queue."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ordersite.lib.models.case_queryset import CaseQuerySet


class ShipmentExceptionQuerySet(CaseQuerySet["ShipmentException"]):
    """Queries of the cases of parcels."""


class ShipmentException(models.Model):
    """A case: a parcel that needs a person. At most one is open for each parcel and kind.

    `resolved_by` is empty when the product found the case settled by itself.
    """

    class Kind(models.TextChoices):
        NOT_SIGNED = "not_signed", _("not signed for in time")
        CARRIER_SILENT = "carrier_silent", _("carrier does not answer")
        RETURNED = "returned", _("parcel returned")
        ORDER_NOT_COMPLETED = "order_not_completed", _("signed for, order not completed")

    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    shipment = models.ForeignKey(
        "logistics.Shipment", models.PROTECT, related_name="exceptions", verbose_name=_("shipment")
    )
    order = models.ForeignKey("orders.Order", models.PROTECT, verbose_name=_("order"))
    detail = models.JSONField(_("detail"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("owner"),
    )
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("resolved by"),
    )
    resolution = models.CharField(_("resolution"), max_length=500, default="", blank=True)

    objects = ShipmentExceptionQuerySet.as_manager()

    class Meta:
        verbose_name = _("shipment exception")
        verbose_name_plural = _("shipment exceptions")
        ordering = ["-id"]
        permissions = [("resolve_shipmentexception", _("Can resolve shipment exceptions"))]
        constraints = [
            models.UniqueConstraint(
                fields=["shipment", "kind"],
                name="shipment_exception_once",
                condition=Q(resolved_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} #{self.pk}"

    @property
    def is_open(self) -> bool:
        """Whether nobody has resolved it."""
        return self.resolved_at is None
