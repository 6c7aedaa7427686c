"""The confirmation call's body and answer, field by field. What only makes one row impossible is a code in the answer,
not a refusal of the whole call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from logistics import errors
from logistics.dispatch.confirm import MOST_ROWS, Confirmation, Wanted
from ordersite.lib.apifields import Amount, StrictSerializer, Text, Whole

MOST_LINES = 200
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_CLOCKS_MAY_DIFFER = timedelta(minutes=15)


@extend_schema_field(OpenApiTypes.DATETIME)
class Moment(serializers.Field[datetime, str, str, Any]):
    """A time that has come, ISO 8601 with its zone. Clocks may differ by a quarter of an hour."""

    def to_internal_value(self, data: Any) -> datetime:
        at = _read_moment(data)
        if at is None:
            raise serializers.ValidationError(_("Give a time as ISO 8601 with its zone."))
        if not _EARLIEST <= at <= timezone.now() + _CLOCKS_MAY_DIFFER:
            raise serializers.ValidationError(_("This time is not possible."))
        return at

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


def _read_moment(data: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(data)
        return at.astimezone(UTC) if at.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None


class WantedSerializer(StrictSerializer):
    product_id = Text(max_length=64)
    quantity = Whole(min_value=1, max_value=1_000_000)


class ConfirmationSerializer(StrictSerializer):
    """One parcel. Without `lines`, all that is left of the order is in it."""

    order = Text(max_length=64)
    warehouse = Text(max_length=64)
    carrier = Text(max_length=64)
    tracking_number = Text(max_length=40)
    shipped_at = Moment(required=False)
    insured_value = Amount(required=False)
    lines = serializers.ListField(
        child=WantedSerializer(), required=False, allow_empty=False, max_length=MOST_LINES
    )


class ConfirmationsSerializer(StrictSerializer):
    confirmations = serializers.ListField(
        child=ConfirmationSerializer(), allow_empty=False, max_length=MOST_ROWS
    )

    def rows(self) -> list[Confirmation]:
        return [_confirmation(row) for row in self.validated_data["confirmations"]]


def _confirmation(row: dict[str, Any]) -> Confirmation:
    lines = tuple(Wanted(**line) for line in row.get("lines", ()))
    return Confirmation(**{**row, "lines": lines})


class ResultSerializer(serializers.Serializer[Any]):
    """What became of one confirmation; `shipment` is the parcel's id when `ok`."""

    order = serializers.CharField()
    ok = serializers.BooleanField()
    code = serializers.ChoiceField(choices=list(errors.CONFIRMATIONS))
    message = serializers.CharField()
    shipment = serializers.IntegerField(allow_null=True)


class ResultsSerializer(serializers.Serializer[Any]):
    results = ResultSerializer(many=True)
