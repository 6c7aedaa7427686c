"""Cases of parcels and of carrier accounts, the rows of the logistics work queue."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ordersite.lib.models.case import AbstractCase, CaseQuerySet

ACCOUNT_KINDS = ("account_silent", "push_rejected", "push_unknown", "push_stuck")


class ShipmentExceptionQuerySet(CaseQuerySet["ShipmentException"]):
    """Queries of the cases of parcels and of carrier accounts."""


def _about(*columns: str) -> Q:
    """Exactly these columns are filled."""
    every = ("shipment", "order", "account", "warehouse")
    return Q(**{f"{name}__isnull": name not in columns for name in every})


DISPATCH = ("out_of_stock", "dispatch_unanswered", "dispatch_refused", "cancel_unanswered")
WAYBILL = ("waybill_unknown", "waybill_refused", "waybill_unwanted", "number_missing")
# Of an order that may have no parcel.
OF_ORDER = (*WAYBILL, "by_rule")
_OF_NO_PARCEL = (*ACCOUNT_KINDS, "stock_short", *DISPATCH, *OF_ORDER)
_ABOUT = (
    (Q(kind__in=ACCOUNT_KINDS) & _about("account"))
    | (Q(kind="stock_short") & _about("warehouse"))
    | (Q(kind__in=("out_of_stock", *OF_ORDER)) & _about("order"))
    | (Q(kind__in=DISPATCH[1:]) & _about("order", "warehouse"))
    | (~Q(kind__in=_OF_NO_PARCEL) & _about("order", "shipment"))
)


class ShipmentException(AbstractCase):
    """A parcel that needs a person, a carrier account through which no parcel is heard of, or goods that cannot leave.

    A case of ACCOUNT_KINDS has an account alone, one of kind stock_short a warehouse and a product. Those of
    DISPATCH have an order and, but for out_of_stock, the warehouse; those of OF_ORDER an order. Every other has
    a parcel and its order. At most one case is open for each parcel and kind, each account and kind, each order and
    warehouse, and each product of a warehouse.
    """

    class Kind(models.TextChoices):
        NOT_SIGNED = "not_signed", _("not signed for in time")
        CARRIER_SILENT = "carrier_silent", _("carrier does not answer")
        NO_NEWS = "no_news", _("parcel does not move")
        NOT_PICKED_UP = "not_picked_up", _("not picked up by the carrier")
        FAILED_DELIVERIES = "failed_deliveries", _("delivery failed again and again")
        AT_LOCKER = "at_locker", _("waits to be collected")
        RETURNED = "returned", _("parcel returned")
        WAYBILL_VOID = "waybill_void", _("cancellation of a parcel's waybill")
        SIGNED_BACK = "signed_back", _("signed for on its way back")
        ORDER_NOT_COMPLETED = "order_not_completed", _("signed for, order not completed")
        ACCOUNT_SILENT = "account_silent", _("carrier account silent")
        OUT_OF_STOCK = "out_of_stock", _("no warehouse can send it")
        DISPATCH_UNANSWERED = "dispatch_unanswered", _("warehouse does not answer")
        DISPATCH_REFUSED = "dispatch_refused", _("warehouse refuses")
        CANCEL_UNANSWERED = "cancel_unanswered", _("warehouse may not know of the cancellation")
        STOCK_SHORT = "stock_short", _("less on the shelf than promised")
        WAYBILL_UNKNOWN = "waybill_unknown", _("waybill: no answer of the carrier")
        WAYBILL_REFUSED = "waybill_refused", _("waybill refused by the carrier")
        WAYBILL_UNWANTED = "waybill_unwanted", _("waybill to be cancelled at the carrier")
        UNWANTED_PARCEL = "unwanted_parcel", _("parcel of an order that must not ship")
        NUMBER_MISSING = "number_missing", _("shipped without a waybill number")
        PUSH_REJECTED = "push_rejected", _("pushes refused")
        PUSH_UNKNOWN = "push_unknown", _("pushes about unknown numbers")
        PUSH_STUCK = "push_stuck", _("push cannot be processed")
        BY_RULE = "by_rule", _("opened by an automation rule")

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
    warehouse = models.ForeignKey(
        "logistics.Warehouse", models.PROTECT, null=True, verbose_name=_("warehouse")
    )
    product_id = models.CharField(
        _("product"), max_length=64, default="", db_default="", blank=True, editable=False
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
                fields=["account", "kind"],
                name="account_exception_once",
                condition=Q(resolved_at__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["order", "kind"],
                name="order_exception_once",
                condition=Q(resolved_at__isnull=True, shipment__isnull=True, warehouse__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["order", "warehouse", "kind"],
                name="dispatch_exception_once",
                condition=Q(resolved_at__isnull=True, order__isnull=False, warehouse__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["warehouse", "product_id"],
                name="stock_exception_once",
                condition=Q(resolved_at__isnull=True, order__isnull=True),
            ),
            models.CheckConstraint(name="shipment_exception_about", condition=_ABOUT),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} #{self.pk}"
