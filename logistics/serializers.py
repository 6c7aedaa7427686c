"""The request and the response of the confirmation call, field by field.

A mistake that concerns one row only becomes a code in that row's result; it does not refuse the whole call.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from logistics import errors
from logistics.dispatch.confirm import MOST_ROWS, Confirmation, ProductQuantity
from ordersite.lib.api.fields import Amount, StrictSerializer, Text, Whole

MOST_LINES = 200
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


@extend_schema_field(OpenApiTypes.DATETIME)
class Moment(serializers.Field[datetime, str, str, Any]):
    """An ISO 8601 time with a zone, converted to UTC.

    A time in the future counts as now: a warehouse's clock may be fast, and one clock must not fail the whole call.
    """

    def to_internal_value(self, data: Any) -> datetime:
        try:
            at = datetime.fromisoformat(data)
        except (TypeError, ValueError) as error:
            raise serializers.ValidationError(_("Give a time as ISO 8601 with its zone.")) from error
        if at.tzinfo is None:
            raise serializers.ValidationError(_("Give a time as ISO 8601 with its zone."))
        # Clamp before converting: the first and the last day of the calendar cannot be converted to UTC.
        return min(max(at, _EARLIEST), timezone.now()).astimezone(UTC)

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


class WaybillText(Text):
    """A waybill number as carriers print it; `tidy_number` normalises it before it is stored."""

    pattern = r"^[0-9A-Za-z -]*[0-9A-Za-z][0-9A-Za-z -]*$"


class WantedSerializer(StrictSerializer):
    """How much of a product is in the parcel."""

    product_id = Text(max_length=64)
    quantity = Whole(min_value=1, max_value=1_000_000)


class ConfirmationSerializer(StrictSerializer):
    """One parcel. Without `lines`, all that is left of the order is in it."""

    order = Text(max_length=64)
    warehouse = Text(max_length=64)
    carrier = Text(max_length=64)
    tracking_number = WaybillText(max_length=40)
    shipped_at = Moment(required=False)
    insured_value = Amount(required=False)
    lines = serializers.ListField(
        child=WantedSerializer(), required=False, min_length=1, max_length=MOST_LINES
    )


class ConfirmationsSerializer(StrictSerializer):
    """The body of the call."""

    confirmations = serializers.ListField(child=ConfirmationSerializer(), min_length=1, max_length=MOST_ROWS)

    def rows(self) -> list[Confirmation]:
        return [_confirmation(row) for row in self.validated_data["confirmations"]]


def _confirmation(row: dict[str, Any]) -> Confirmation:
    lines = tuple(ProductQuantity(**line) for line in row.get("lines", ()))
    return Confirmation(**{**row, "lines": lines})


class ResultSerializer(serializers.Serializer[Any]):
    """The result of one confirmation; `shipment` is the parcel's id when `ok`."""

    order = serializers.CharField()
    ok = serializers.BooleanField()
    code = serializers.ChoiceField(choices=list(errors.CONFIRMATIONS))
    message = serializers.CharField()
    shipment = serializers.IntegerField(allow_null=True)


class ResultsSerializer(serializers.Serializer[Any]):
    results = ResultSerializer(many=True)
