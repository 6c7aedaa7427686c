"""Cases of parcels, the rows of the logistics work queue."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ordersite.lib.models.case import AbstractCase, CaseQuerySet


class ShipmentExceptionQuerySet(CaseQuerySet["ShipmentException"]):
    """Queries of the cases of parcels."""


class ShipmentException(AbstractCase):
    """A parcel that needs a person. At most one case is open for each parcel and kind."""

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
