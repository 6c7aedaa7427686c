"""Warehouses and their stock, and the carrier accounts of merchants."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ordersite.lib.money import ZERO, MoneyField
from ordersite.outside_accounts.circuit import CircuitBreaker
from ordersite.outside_accounts.model import OutsideAccount
from ordersite.outside_accounts.secrets import seal, unseal


class WarehouseKind(models.TextChoices):
    OWN = "own", _("own warehouse")
    CLOUD = "cloud", _("cloud warehouse")
    DROPSHIP = "dropship", _("drop-ship partner")


class Warehouse(OutsideAccount):
    """A warehouse of one merchant; it confirms the parcels that it has sent.

    `adapter` says how it gets its instructions: none (it gets none and confirms by itself), pull or push. `regions` are
    the provinces that it serves, the one where it stands first; empty: all of them. A lower `priority` goes first where
    all else is equal, `cost` is what a parcel from it costs (yuan). It counts as silent where an instruction has no
    answer for `silence_minutes`. Its push address is throttled as an outside account; the secret that signs pushes is
    sealed to the row. Sender and address are those on the waybills of its parcels.
    """

    Kind = WarehouseKind

    class Adapter(models.TextChoices):
        NONE = "none", _("no instructions")
        PULL = "pull", _("fetches its instructions")
        PUSH = "push", _("is sent its instructions")

    merchant = models.ForeignKey(
        "orders.Merchant", models.PROTECT, db_index=False, verbose_name=_("merchant")
    )
    slug = models.SlugField(_("slug"), max_length=40)
    name = models.CharField(_("name"), max_length=80)
    kind = models.CharField(
        _("kind"), max_length=10, choices=WarehouseKind.choices, default=WarehouseKind.OWN, db_default="own"
    )
    regions = models.JSONField(_("provinces served"), default=list, db_default=Value([], models.JSONField()))
    priority = models.PositiveSmallIntegerField(_("priority"), default=100, db_default=100)
    cost = MoneyField(_("cost of a parcel"), default=ZERO, db_default=0)  # type: ignore[arg-type]  # in fen
    adapter = models.CharField(
        _("instructions"),
        max_length=10,
        choices=Adapter.choices,
        default=Adapter.NONE,
        db_default=Adapter.NONE.value,
    )
    silence_minutes = models.PositiveIntegerField(_("minutes of silence"), default=120, db_default=120)

    config = models.JSONField(_("settings"), default=dict, db_default=Value({}, models.JSONField()))
    sealed_secrets = models.TextField(editable=False, default="", db_default="")
    changed_at = models.DateTimeField(_("changed at"), default=timezone.now, db_default=Now(), editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    sender_name = models.CharField(_("sender"), max_length=80, default="", db_default="", blank=True)
    sender_phone = models.CharField(_("sender's phone"), max_length=20, default="", db_default="", blank=True)
    province = models.CharField(_("province"), max_length=40, default="", db_default="", blank=True)
    city = models.CharField(_("city"), max_length=40, default="", db_default="", blank=True)
    district = models.CharField(_("district"), max_length=40, default="", db_default="", blank=True)
    street = models.CharField(_("street"), max_length=200, default="", db_default="", blank=True)
    failures_in_a_row = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        verbose_name = _("warehouse")
        verbose_name_plural = _("warehouses")
        constraints = [models.UniqueConstraint(fields=["merchant", "slug"], name="warehouse_of_merchant")]

    def __str__(self) -> str:
        return self.name

    @property
    def push_url(self) -> str:
        """The address to which instructions are sent; empty where there is none."""
        return str(self.config.get("push_url", ""))

    @property
    def gets_instructions(self) -> bool:
        """Whether instructions are made for it."""
        return self.is_active and self.adapter != self.Adapter.NONE

    @property
    def gets_pushes(self) -> bool:
        """Whether instructions are sent to it."""
        return self.is_active and self.adapter == self.Adapter.PUSH and bool(self.push_url)

    def open_secrets(self) -> dict[str, Any]:
        """The secrets by name; none where none were given. Raises `CannotDecrypt`."""
        if not self.sealed_secrets:
            return {}
        return unseal(self.sealed_secrets, table=self._meta.db_table, slug=self.sealed_to)

    def seal_secrets(self, secrets: dict[str, Any]) -> None:
        """Seal these secrets to this row in place of the old ones; not saved."""
        self.sealed_secrets = seal(secrets, table=self._meta.db_table, slug=self.sealed_to)

    @property
    def sealed_to(self) -> str:
        """What the secrets are bound to: a slug is unique within its merchant only."""
        return f"{self.merchant_id}.{self.slug}"


class Stock(models.Model):
    """How much of a product is on the shelves of a warehouse.

    `on_hand` is the absolute figure that the warehouse gave last, less what it has confirmed since; empty: not counted,
    and always available. `reserved` is what open instructions will take. Neither is ever negative; `reserved` may be
    above `on_hand` after a count found less. Only `logistics.stock` writes it.
    """

    warehouse = models.ForeignKey(
        Warehouse, models.PROTECT, related_name="stock", db_index=False, verbose_name=_("warehouse")
    )
    product_id = models.CharField(_("product"), max_length=64)
    on_hand = models.PositiveIntegerField(_("on hand"), null=True)
    reserved = models.PositiveIntegerField(_("reserved"), default=0)
    counted_at = models.DateTimeField(_("counted at"), null=True, editable=False)

    class Meta:
        verbose_name = _("stock")
        verbose_name_plural = _("stock")
        permissions = [("correct_stock", _("Can correct what is on hand"))]
        indexes = [
            models.Index(fields=["product_id", "id"], name="stock_by_product"),
            models.Index(fields=["id"], name="stock_used_up", condition=Q(on_hand__lte=models.F("reserved"))),
        ]
        constraints = [
            models.UniqueConstraint(fields=["warehouse", "product_id"], name="stock_of_product"),
            models.CheckConstraint(condition=Q(reserved__gte=0), name="stock_reserved_not_negative"),
            models.CheckConstraint(
                condition=Q(on_hand__isnull=True) | Q(on_hand__gte=0), name="stock_not_negative"
            ),
        ]

    def __str__(self) -> str:
        # Titles begin with a capital, and a product's number is read as it is.
        return gettext("Stock of %(product)s") % {"product": self.product_id}

    @property
    def available(self) -> int | None:
        """What new instructions may take; None where the product is not counted."""
        return None if self.on_hand is None else max(self.on_hand - self.reserved, 0)

    @property
    def missing(self) -> int:
        """How much less is on the shelf than open instructions will take."""
        return 0 if self.on_hand is None else max(self.reserved - self.on_hand, 0)


class CarrierAccount(OutsideAccount):
    """A merchant's account at a carrier or aggregator.

    One poller at a time has its lease, apart from `next_call_at`, so that a person may have one parcel checked while
    a poller has it. The token of the push address is one of the sealed secrets; only its SHA-256 can be looked up.

    `last_answer_at` is when it last gave a usable answer, to the minute; `last_problem` why it gave none since, empty
    when it answers. `silent_since` is set while it counts as silent. Before `silence_counts_from` no parcel's silence
    is its own: it is when the account was made, or answered again after it had been silent. `last_refresh_at` is when a
    person last had a parcel polled through it, where its calls are limited. All times are UTC.
    """

    breaker = CircuitBreaker(longest_backoff=timedelta(minutes=30))
    lease_column = "leased_until"

    carrier = models.CharField(_("carrier"), max_length=20)
    merchant = models.ForeignKey("orders.Merchant", models.PROTECT, verbose_name=_("merchant"))
    leased_until = models.DateTimeField(null=True, editable=False, db_column="lane_leased_until")
    last_answer_at = models.DateTimeField(_("last answer"), null=True, editable=False)
    last_problem = models.CharField(
        _("last problem"), max_length=200, default="", db_default="", editable=False
    )
    silent_since = models.DateTimeField(_("silent since"), null=True, editable=False)
    silence_counts_from = models.DateTimeField(null=True, editable=False)
    last_refresh_at = models.DateTimeField(null=True, editable=False)
    push_token_digest = models.CharField(max_length=64, editable=False)

    class Meta:
        verbose_name = _("carrier account")
        verbose_name_plural = _("carrier accounts")
        constraints = [
            models.UniqueConstraint(fields=["push_token_digest"], name="carrier_account_push_token")
        ]
