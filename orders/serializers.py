"""Serializers of the order API: the request of a creation and the representation of an order."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from orders.history.lines import Actor, Evidence
from orders.intake.drafts import AddressDraft, BuyerDraft, LineDraft, OrderDraft
from orders.models import Buyer, Order, OrderStatus
from ordersite.lib.api.fields import Address, Amount, Choice, Flag, StrictSerializer, Text, Whole, Words
from ordersite.lib.money import ZERO, format_amount

MOST_LINES = 100
MOST_PIECES = 100_000


class Phone(Text):
    """A phone number: digits and dashes, with or without a country code."""

    pattern = r"^\+?[0-9][0-9-]{3,17}[0-9]$"


class BuyerForm(StrictSerializer):
    id = Text(max_length=64)
    name = Text(max_length=80)
    phone = Phone(max_length=20)
    openid = Text(max_length=64, default="", allow_blank=True)
    email = serializers.EmailField(max_length=254, default="", allow_blank=True)
    tier = Choice(Buyer.Tier.values, default="")


class LineForm(StrictSerializer):
    product_id = Text(max_length=64)
    name = Text(max_length=200)
    quantity = Whole(min_value=1, max_value=MOST_PIECES)
    unit_price = Amount()


class AddressForm(StrictSerializer):
    province = Text(max_length=40)
    city = Text(max_length=40)
    district = Text(max_length=40)
    street = Text(max_length=200)
    postcode = Text(max_length=10, default="", allow_blank=True)


class OrderForm(StrictSerializer):
    """An order to create. Goods, fee and discount must add up to a total above zero."""

    buyer = BuyerForm()
    lines = LineForm(many=True, min_length=1, max_length=MOST_LINES)  # type: ignore[call-arg]
    address = AddressForm()
    shipping_fee = Amount(default=ZERO)
    discount = Amount(default=ZERO)
    note = Words(max_length=500, default="", allow_blank=True)
    device_id = Text(max_length=100, default="", allow_blank=True)
    client_ip = Address(default="")
    confirm_duplicate = Flag(default=False)

    def draft(self, raw: Any, *, actor: Actor, evidence: Evidence) -> OrderDraft:
        """Validate `raw` and return it as a draft. Raises ValidationError.

        Stores nothing on the form: one form serves all calls, since building a form takes longer than validating.
        """
        data: dict[str, Any] = dict(self.run_validation(raw))
        data["buyer"] = BuyerDraft(**data["buyer"])
        data["lines"] = tuple(LineDraft(**line) for line in data["lines"])
        data["address"] = AddressDraft(**data["address"])
        return OrderDraft(actor=actor, evidence=evidence, **data)


class CancelForm(StrictSerializer):
    reason = Words(max_length=200)


class ListQuery(StrictSerializer):
    """The query string of the list; see `ordersite.api.views` for the cursor."""

    status = Choice(OrderStatus.values, required=False)
    created_after = serializers.CharField(required=False)
    created_before = serializers.CharField(required=False)
    cursor = serializers.CharField(required=False, max_length=100)
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=100)


class LineView(serializers.Serializer[Any]):
    product_id = serializers.CharField()
    name = serializers.CharField()
    quantity = serializers.IntegerField()
    unit_price = Amount()
    amount = Amount()


class BuyerView(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    phone = serializers.CharField()
    openid = serializers.CharField(allow_blank=True)
    email = serializers.CharField(allow_blank=True)
    tier = serializers.ChoiceField(Buyer.Tier.values)


class LinksView(serializers.Serializer[Any]):
    page = serializers.URLField()
    tracking = serializers.URLField()


class PaymentView(serializers.Serializer[Any]):
    reference = serializers.CharField()
    provider = serializers.CharField()
    account = serializers.CharField()
    provider_reference = serializers.CharField(allow_blank=True)
    amount = Amount()
    status = serializers.CharField()
    paid_at = serializers.DateTimeField(allow_null=True)


class TrackingView(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    status = serializers.CharField()
    text = serializers.CharField()
    location = serializers.CharField(allow_blank=True)


class ShipmentView(serializers.Serializer[Any]):
    carrier = serializers.CharField()
    tracking_number = serializers.CharField()
    status = serializers.CharField()
    insured_value = Amount(allow_null=True)
    shipped_at = serializers.DateTimeField()
    events = TrackingView(many=True)


class OrderView(serializers.Serializer[Any]):
    """An order as every call of the API shows it. Documents the schema only: `order_json` builds the data."""

    number = serializers.CharField()
    status = serializers.ChoiceField(OrderStatus.values)
    held = serializers.BooleanField()
    buyer = BuyerView()
    lines = LineView(many=True)
    address = AddressForm()
    goods_amount = Amount()
    shipping_fee = Amount()
    discount = Amount()
    total_amount = Amount()
    refunded_amount = Amount()
    currency = serializers.CharField()
    note = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    close_due_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    shipped_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    links = LinksView()
    payments = PaymentView(many=True)
    shipments = ShipmentView(many=True)


class OrderPage(serializers.Serializer[Any]):
    results = OrderView(many=True)
    next = serializers.URLField(allow_null=True)


class ErrorView(serializers.Serializer[Any]):
    """The body of every error."""

    code = serializers.CharField()
    message = serializers.CharField()
    details = serializers.DictField()


# What the calls of the order API share in the OpenAPI schema.
ORDER_NUMBER = OpenApiParameter(
    "number",
    {"type": "string", "pattern": "^[0-9]{8}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$"},
    OpenApiParameter.PATH,
    description="The order number.",
)
BODY_REFUSALS = {"e413": "The body is too large.", "e415": "The body is not application/json."}


def retry_after(*statuses: int) -> OpenApiParameter:
    """Return the header of answers that may be asked for again later."""
    return OpenApiParameter(
        "Retry-After",
        {"type": "string", "pattern": "^[0-9]+$"},
        OpenApiParameter.HEADER,
        response=list(statuses),
        description="Seconds.",
    )


def refusals(**also: str) -> dict[int, OpenApiResponse]:
    """Return the refusals of a call: those of every call, and its own as in `e409="already_paid"`."""
    known = {
        "e400": "A field is not right; `details` names it.",
        "e401": "No token, or an unknown one.",
        "e403": "The token has not the scope.",
        "e406": "Only JSON is spoken here.",
        "e429": "More requests than this client may make; see Retry-After.",
        "e503": "The database is busy or away; see Retry-After.",
    }
    return {int(code[1:]): OpenApiResponse(ErrorView, text) for code, text in {**known, **also}.items()}


_AMOUNTS = ("goods_amount", "shipping_fee", "discount", "total_amount", "refunded_amount")
_TIMES = ("created_at", "close_due_at", "paid_at", "shipped_at", "completed_at", "closed_at")
_ADDRESS = ("province", "city", "district", "street", "postcode")


def order_json(order: Order, **parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The order as `OrderView` documents it. `parts` are its `lines`, `payments` and `shipments`.

    Times are in the shop's zone. Built by hand: for one order a serializer takes longer than the queries.
    """
    buyer = order.buyer
    return {
        "number": order.number,
        "status": str(order.status),
        # True while a refund is under way as well: a client wants to know whether the order may ship.
        "held": order.is_stopped,
        "buyer": {
            "id": buyer.outside_id,
            "name": order.buyer_name,
            "phone": order.buyer_phone,
            "openid": buyer.openid,
            "email": buyer.email,
            "tier": str(buyer.tier),
        },
        "address": {name: getattr(order, name) for name in _ADDRESS},
        **{name: format_amount(getattr(order, name)) for name in _AMOUNTS},
        "currency": order.currency,
        "note": order.note,
        **{name: _time(getattr(order, name)) for name in _TIMES},
        "links": {
            "page": f"{settings.PUBLIC_BASE_URL}/shop/orders/{order.number}/",
            "tracking": f"{settings.PUBLIC_BASE_URL}/track/{order.tracking_token}/",
        },
        **parts,
    }


def _time(moment: datetime | None) -> str | None:
    return timezone.localtime(moment).isoformat() if moment else None
