"""The request and the response of ordering a waybill, field by field."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from logistics.dispatch.check import ProductQuantity
from logistics.waybills.reserve import WantedWaybill
from ordersite.lib.api.fields import Amount, StrictSerializer, Text, Whole

MOST_LINES = 200


class WaybillLineForm(StrictSerializer):
    """How much of a product is in the parcel."""

    product_id = Text(max_length=64)
    quantity = Whole(min_value=1, max_value=1_000_000)


class WaybillForm(StrictSerializer):
    """One waybill. Without `lines`, all that is left of the order is in its parcel."""

    carrier = Text(max_length=64)
    account = Text(max_length=64)
    warehouse = Text(max_length=64, required=False)
    insured_value = Amount(required=False)
    lines = serializers.ListField(
        child=WaybillLineForm(), required=False, min_length=1, max_length=MOST_LINES
    )

    def wanted(self) -> WantedWaybill:
        data: dict[str, Any] = dict(self.validated_data)
        data["lines"] = tuple(ProductQuantity(**line) for line in data.get("lines", ()))
        return WantedWaybill(**data)


class MadeView(serializers.Serializer[Any]):
    """A waybill that was made. `label_url` takes the same token as this call."""

    shipment = serializers.IntegerField()
    carrier = serializers.CharField()
    tracking_number = serializers.CharField()
    label_url = serializers.CharField()


class UnknownView(serializers.Serializer[Any]):
    """The carrier has not said whether it made it: repeat the call with the same key to learn of the end."""

    shipment = serializers.IntegerField()
    state = serializers.ChoiceField(choices=["unknown"])
