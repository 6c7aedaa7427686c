"""Tags of orders: a word that a rule or a person puts on an order, shown and filtered in the list."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

LONGEST_TAG = 20


class OrderTag(models.Model):
    """One tag of one order. `created_by` is who put it there: a username, or `rule 3`."""

    order = models.ForeignKey(
        "orders.Order", models.CASCADE, related_name="tags", db_index=False, verbose_name=_("order")
    )
    name = models.CharField(pgettext_lazy("order", "tag"), max_length=LONGEST_TAG)
    created_by = models.CharField(max_length=160, default="", editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("tag of an order")
        verbose_name_plural = _("tags of orders")
        ordering = ("id",)
        constraints = [models.UniqueConstraint(fields=["order", "name"], name="order_tag_once")]
        indexes = [models.Index(fields=["name", "-order"], name="order_tag_by_name")]

    def __str__(self) -> str:
        return self.name
