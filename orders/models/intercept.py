"""The log of intercepted attempts: what was replayed, refused, held or noticed while orders were created."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ordersite.lib.money import MoneyField


class InterceptLayer(models.TextChoices):
    """What has answered the attempt."""

    IDEMPOTENCY = "idempotency", _("idempotency key")
    FINGERPRINT = "fingerprint", _("fingerprint")
    TWIN = "twin", _("constraint against twins")
    ATTEMPTS = "attempts", _("attempts for one product")
    STRATEGY = "strategy", _("risk strategy")


class InterceptOutcome(models.TextChoices):
    """What became of the attempt there."""

    REPLAYED = "replayed", _("replayed")
    IN_PROGRESS = "in_progress", _("still running")
    REFUSED = "refused", _("refused")
    HELD = "held", pgettext_lazy("attempt", "held")
    WARNED = "warned", _("warned")
    LOGGED = "logged", _("logged only")


class Intercept(models.Model):
    """One layer's answer to one attempt to create an order. Times are UTC, money is yuan.

    `order_number` is the order that the attempt was pointed to, or the one that it made; `seen` is what a rule has
    counted. Phone and address are personal: the rows are deleted after INTERCEPT_LOG_DAYS.
    """

    merchant = models.ForeignKey(
        "orders.Merchant", models.CASCADE, db_index=False, verbose_name=_("merchant")
    )
    client_id = models.BigIntegerField(null=True)
    at = models.DateTimeField(pgettext_lazy("attempt", "at"), default=timezone.now)
    layer = models.CharField(_("layer"), max_length=12, choices=InterceptLayer.choices)
    outcome = models.CharField(_("outcome"), max_length=12, choices=InterceptOutcome.choices)
    code = models.CharField(_("code"), max_length=40, default="")
    strategy = models.CharField(_("strategy"), max_length=40, default="")
    buyer_outside_id = models.CharField(_("buyer's number in the shop"), max_length=64, default="")
    buyer_phone = models.CharField(_("buyer's phone"), max_length=20, default="")
    products = models.JSONField(_("products"), default=list)
    product_set = models.CharField(max_length=64, default="")
    amount = MoneyField(_("total"))
    device_id = models.CharField(_("device"), max_length=100, default="")
    client_ip = models.CharField(_("client address"), max_length=45, default="")
    address = models.CharField(_("address"), max_length=400, default="")
    key_digest = models.CharField(max_length=32, default="")
    order_number = models.CharField(_("order number"), max_length=24, default="")
    seen = models.JSONField(_("what it saw"), default=dict)

    class Meta:
        verbose_name = _("intercepted attempt")
        verbose_name_plural = _("intercepted attempts")
        ordering = ("-id",)
        indexes = [
            models.Index(fields=["merchant", "-id"], name="intercept_by_merchant"),
            models.Index(fields=["merchant", "at"], name="intercept_by_time"),
            models.Index(fields=["at"], name="intercept_age"),
            models.Index(fields=["buyer_outside_id", "-id"], name="intercept_by_buyer"),
            models.Index(
                fields=["client_ip", "-id"], name="intercept_by_address", condition=~models.Q(client_ip="")
            ),
            models.Index(fields=["outcome", "-id"], name="intercept_by_outcome"),
            models.Index(fields=["layer", "-id"], name="intercept_by_layer"),
            models.Index(
                fields=["order_number", "-id"],
                name="intercept_by_order",
                condition=~models.Q(order_number=""),
            ),
            models.Index(
                fields=["strategy", "at"], name="intercept_by_strategy", condition=~models.Q(strategy="")
            ),
            # Counted by time, listed by id.
            models.Index(
                fields=["strategy", "-id"], name="intercept_of_strategy", condition=~models.Q(strategy="")
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"
