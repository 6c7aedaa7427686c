"""The requests and responses of the ERP's calls about stock and instructions, field by field."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from logistics import errors
from logistics.dispatch.instructions.pull import MOST_ROWS as MOST_ACKS
from logistics.dispatch.instructions.pull import Ack
from logistics.models import CARRIERS
from logistics.stock.levels import MOST_ROWS, Level
from ordersite.lib.api.fields import Flag, StrictSerializer, Text, Whole, Words

MOST_ON_HAND = 1_000_000_000


class LevelSerializer(StrictSerializer):
    """What is on the shelf of one warehouse, reserved goods among it; an absolute figure."""

    warehouse = Text(max_length=64)
    product_id = Text(max_length=64)
    on_hand = Whole(min_value=0, max_value=MOST_ON_HAND)


class LevelsSerializer(StrictSerializer):
    """The body of the call."""

    levels = serializers.ListField(child=LevelSerializer(), min_length=1, max_length=MOST_ROWS)

    def rows(self) -> list[Level]:
        return [Level(**row) for row in self.validated_data["levels"]]


class LevelResultSerializer(serializers.Serializer[Any]):
    """The result of one row."""

    warehouse = serializers.CharField()
    product_id = serializers.CharField()
    ok = serializers.BooleanField()
    code = serializers.ChoiceField(choices=list(errors.STOCK))
    message = serializers.CharField()


class LevelResultsSerializer(serializers.Serializer[Any]):
    results = LevelResultSerializer(many=True)


class DispatchQuerySerializer(StrictSerializer):
    """Which warehouse asks, and for how many at most."""

    warehouse = Text(max_length=64)
    limit = serializers.IntegerField(min_value=1, max_value=500, default=100)


class DispatchLineSerializer(serializers.Serializer[Any]):
    product_id = serializers.CharField()
    name = serializers.CharField()
    quantity = serializers.IntegerField()


class ReceiverAddressSerializer(serializers.Serializer[Any]):
    province = serializers.CharField()
    city = serializers.CharField()
    district = serializers.CharField()
    street = serializers.CharField()
    postcode = serializers.CharField(allow_blank=True)


class ReceiverSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    phone = serializers.CharField()
    address = ReceiverAddressSerializer()


class DispatchSerializer(serializers.Serializer[Any]):
    """One instruction: send these lines to this receiver.

    `carrier` and `insured_value` (yuan) are there where they are known; `reminder` is true where the instruction was
    handed out before, and no parcel of it was confirmed in time.
    """

    id = serializers.IntegerField()
    order = serializers.CharField()
    warehouse = serializers.CharField()
    lines = DispatchLineSerializer(many=True)
    receiver = ReceiverSerializer()
    carrier = serializers.ChoiceField(choices=list(CARRIERS), required=False)
    insured_value = serializers.DecimalField(max_digits=12, decimal_places=2, required=False)
    reminder = serializers.BooleanField(required=False)
    created_at = serializers.DateTimeField()


class DispatchesSerializer(serializers.Serializer[Any]):
    dispatches = DispatchSerializer(many=True)


class AckSerializer(StrictSerializer):
    """`ok` false refuses the instruction: `out_of_stock` and `address_unserved` route the order anew."""

    id = Whole(min_value=1, max_value=2**63 - 1)
    ok = Flag()
    code = Text(max_length=64, required=False, allow_blank=True)
    message = Words(max_length=500, required=False, allow_blank=True)


class AcksSerializer(StrictSerializer):
    """The body of the call."""

    acks = serializers.ListField(child=AckSerializer(), min_length=1, max_length=MOST_ACKS)

    def rows(self) -> list[Ack]:
        return [Ack(**row) for row in self.validated_data["acks"]]


class AckResultSerializer(serializers.Serializer[Any]):
    """The result of one acknowledgement."""

    id = serializers.IntegerField()
    ok = serializers.BooleanField()
    code = serializers.ChoiceField(choices=list(errors.ACKS))
    message = serializers.CharField()


class AckResultsSerializer(serializers.Serializer[Any]):
    results = AckResultSerializer(many=True)
