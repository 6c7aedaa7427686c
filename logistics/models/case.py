"""Cases of parcels and of carrier accounts, the rows of the logistics work queue."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ordersite.lib.models.case import AbstractCase, CaseQuerySet


class ShipmentExceptionQuerySet(CaseQuerySet["ShipmentException"]):
    """Queries of the cases of parcels and of carrier accounts."""


class ShipmentException(AbstractCase):
    """A parcel that needs a person, or a carrier account through which no parcel is heard of.

    A case of kind account_silent has an account and neither parcel nor order; every other has both and no account. At
    most one case is open for each parcel and kind, and for each account.
    """

    class Kind(models.TextChoices):
        NOT_SIGNED = "not_signed", _("not signed for in time")
        CARRIER_SILENT = "carrier_silent", _("carrier does not answer")
        RETURNED = "returned", _("parcel returned")
        ORDER_NOT_COMPLETED = "order_not_completed", _("signed for, order not completed")
        ACCOUNT_SILENT = "account_silent", _("carrier account silent")

    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    shipment = models.ForeignKey(
        "logistics.Shipment",
        models.PROTECT,
        null=True,
        related_name="exceptions",
        verbose_name=_("shipment"),
    )
    order = models.ForeignKey("orders.Order", models.PROTECT, null=True, verbose_name=_("order"))
    account = models.ForeignKey(
        "logistics.CarrierAccount", models.PROTECT, null=True, verbose_name=_("carrier account")
    )

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
            models.UniqueConstraint(
                fields=["account"],
                name="account_exception_once",
                condition=Q(resolved_at__isnull=True),
            ),
            models.CheckConstraint(
                name="shipment_exception_about",
                condition=Q(
                    kind="account_silent", account__isnull=False, shipment__isnull=True, order__isnull=True
                )
                | (
                    ~Q(kind="account_silent")
                    & Q(account__isnull=True, shipment__isnull=False, order__isnull=False)
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} #{self.pk}"
