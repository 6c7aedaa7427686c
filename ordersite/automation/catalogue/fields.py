"""The fields that conditions may name: what each is, where it is read from, and what of its past is known.

`part` is the reader of `ordersite.automation.snapshots` that fills it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from logistics.models import CARRIERS, ShipmentException, ShipmentStatus, Warehouse
from orders.labels import HOLD_REASONS
from orders.models import Buyer, OrderStatus
from ordersite.automation.catalogue.kinds import ValueKind
from ordersite.automation.catalogue.provinces import PROVINCES
from payments.models import PaymentException
from payments.providers.registry import provider_choices

Choices = Sequence[tuple[str, str | Promise]]


class Part(StrEnum):
    """A reader of values: one for each table, so that only what is needed is read."""

    ORDER = "order"
    LINES = "lines"
    HISTORY = "history"
    PAYMENTS = "payments"
    REFUNDS = "refunds"
    PARCELS = "parcels"
    REVIEWS = "reviews"
    TAGS = "tags"
    FACT = "fact"


@dataclass(frozen=True, slots=True)
class ConditionField:
    """A field of the order as it was at a fact. `past` says what of it a dry run cannot know; empty: all is known."""

    key: str
    label: str | Promise
    kind: ValueKind
    part: Part
    group: str | Promise
    choices: Callable[[], Choices] = tuple
    past: str | Promise = ""


def _warehouses() -> Choices:
    names = Warehouse.objects.order_by("slug").values_list("slug", "name")
    return list(dict(names).items())


def _cases() -> Choices:
    return [*PaymentException.Kind.choices, *ShipmentException.Kind.choices]


_ORDER, _BUYER = _("order"), _("buyer")
_PAYMENT, _PARCEL, _RISK = _("payment"), _("parcels"), pgettext_lazy("conditions", "risk and cases")
_REMOVED = _("tags that were taken off again are not known")
FIELDS: Mapping[str, ConditionField] = {
    field.key: field
    for field in (
        ConditionField("total_amount", _("order total"), ValueKind.MONEY, Part.ORDER, _ORDER),
        ConditionField(
            "status", _("order status"), ValueKind.CHOICE, Part.HISTORY, _ORDER, lambda: OrderStatus.choices
        ),
        ConditionField("product_ids", _("products (ids)"), ValueKind.LIST, Part.LINES, _ORDER),
        ConditionField("quantity", _("pieces in all"), ValueKind.NUMBER, Part.LINES, _ORDER),
        ConditionField("hours_since_created", _("hours since the order"), ValueKind.NUMBER, Part.ORDER, _ORDER),
        ConditionField("tags", pgettext_lazy("order", "tags"), ValueKind.LIST, Part.TAGS, _ORDER, past=_REMOVED),
        ConditionField("note", _("buyer's note"), ValueKind.TEXT, Part.ORDER, _ORDER),
        ConditionField(
            "buyer_tier", _("buyer's tier"), ValueKind.CHOICE, Part.ORDER, _BUYER, lambda: Buyer.Tier.choices
        ),
        ConditionField("province", _("province"), ValueKind.CHOICE, Part.ORDER, _BUYER, lambda: PROVINCES),
        ConditionField("city", _("city"), ValueKind.TEXT, Part.ORDER, _BUYER),
        ConditionField("district", _("district"), ValueKind.TEXT, Part.ORDER, _BUYER),
        ConditionField("paid_amount", _("amount paid"), ValueKind.MONEY, Part.PAYMENTS, _PAYMENT),
        ConditionField(
            "provider", _("payment provider"), ValueKind.LIST, Part.PAYMENTS, _PAYMENT, provider_choices
        ),
        ConditionField("hours_since_paid", _("hours since payment"), ValueKind.NUMBER, Part.ORDER, _PAYMENT),
        ConditionField("refunded_amount", _("amount refunded"), ValueKind.MONEY, Part.REFUNDS, _PAYMENT),
        ConditionField("parcels", _("number of parcels"), ValueKind.NUMBER, Part.PARCELS, _PARCEL),
        ConditionField(
            "parcel_states", _("states of the parcels"), ValueKind.LIST, Part.PARCELS, _PARCEL,
            lambda: ShipmentStatus.choices, past=_("of parcels on the way only that they were on the way"),
        ),
        ConditionField(
            "carriers", _("carriers"), ValueKind.LIST, Part.PARCELS, _PARCEL, lambda: CARRIERS
        ),
        ConditionField("warehouses", _("warehouses"), ValueKind.LIST, Part.PARCELS, _PARCEL, _warehouses),
        ConditionField("is_held", _("is held"), ValueKind.FLAG, Part.HISTORY, _RISK),
        ConditionField(
            "hold_reason", _("hold reason"), ValueKind.TEXT, Part.HISTORY, _RISK,
            past=_("reasons that were erased are not known"),
        ),
        ConditionField(
            "risk_reviews", _("reviewed for"), ValueKind.LIST, Part.REVIEWS, _RISK,
            lambda: list(HOLD_REASONS.items()),
        ),
        ConditionField(
            "case_kind", _("kind of the case"), ValueKind.CHOICE, Part.FACT, _RISK, _cases
        ),
    )
}  # fmt: skip
