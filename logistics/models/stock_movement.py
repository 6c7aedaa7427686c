"""What moved the figures of a product in a warehouse. Only `logistics.stock` writes it."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class MovementKind(models.TextChoices):
    RESERVED = "reserved", _("reserved for an instruction")
    RELEASED = "released", _("no longer reserved")
    TAKEN = "taken", _("sent off")
    COUNTED = "counted", _("counted by the warehouse")
    CORRECTED = "corrected", _("corrected by a person")


class StockMovement(models.Model):
    """One change of a product's figures in a warehouse, in the transaction that made it; `at` is UTC.

    `quantity` is by how much it changed: what is reserved for RESERVED and RELEASED, what is on hand otherwise.
    `on_hand` and `reserved` are the figures after it, `on_hand` empty where the product is not counted. `order_id` names
    the order it was for; `actor` and `reason` those of a person's correction.
    """

    stock = models.ForeignKey(
        "logistics.Stock", models.PROTECT, related_name="movements", db_index=False, verbose_name=_("product")
    )
    at = models.DateTimeField(_("time"), default=timezone.now, editable=False)
    kind = models.CharField(_("movement"), max_length=10, choices=MovementKind.choices)
    quantity = models.IntegerField(_("change"))
    on_hand = models.PositiveIntegerField(_("on hand"), null=True)
    reserved = models.PositiveIntegerField(_("reserved"))
    order = models.ForeignKey(
        "orders.Order",
        models.DO_NOTHING,
        related_name="+",
        null=True,
        db_index=False,
        db_constraint=False,
        verbose_name=_("order"),
    )
    actor = models.CharField(_("by whom"), max_length=80, default="", blank=True)
    reason = models.CharField(_("reason"), max_length=200, default="", blank=True)

    class Meta:
        verbose_name = _("movement of stock")
        verbose_name_plural = _("movements of stock")
        ordering = ["-id"]
        indexes = [models.Index(fields=["stock", "id"], name="stock_movement_of_stock")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.quantity:+d}"
