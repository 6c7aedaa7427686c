"""The call of the order API by which a shop's server says what its buyer has agreed to inside WeChat."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orders.clients import client_of
from orders.errors import unknown_order
from orders.models import Order
from orders.serializers import BODY_REFUSALS, ORDER_NUMBER, refusals, retry_after
from ordersite.lib.api.fields import StrictSerializer, Text, Whole
from ordersite.lib.api.json_parser import StrictJSONParser, body_of
from ordersite.messaging.sending.consents import MOST_LEFT, record_consents


class ConsentsRequest(StrictSerializer):
    messages = serializers.ListField(
        child=Text(max_length=40),
        min_length=1,
        max_length=20,
        help_text="As account files name them: `order.shipped`, or the name of a rule's text.",
    )
    times = Whole(
        min_value=1, max_value=MOST_LEFT, required=False, help_text="How often, each; once unless given."
    )


class ConsentView(serializers.Serializer[Any]):
    """`left`: how many messages of this kind the buyer may still get."""

    message = serializers.CharField()
    left = serializers.IntegerField()


class ConsentsView(serializers.Serializer[Any]):
    consents = ConsentView(many=True)


class OrderConsents(APIView):
    """Note what the buyer of an order has agreed to."""

    required_scopes = {"POST": "orders:write"}
    parser_classes = (StrictJSONParser,)

    @extend_schema(
        operation_id="record_consents",
        summary="Note that a buyer has agreed to subscription messages of WeChat",
        parameters=[ORDER_NUMBER, retry_after(429, 503)],
        request=ConsentsRequest,
        responses={
            201: OpenApiResponse(ConsentsView, f"Noted. No more than {MOST_LEFT} of a kind are kept."),
            **refusals(
                **BODY_REFUSALS,
                e404="`unknown_order`.",
                e409="`no_openid`: the buyer was given without `openid`. `no_subscription`: no account of the shop for "
                "subscription messages has a template for `details.name`.",
            ),
        },
    )
    def post(self, request: Request, number: str) -> Response:
        client = client_of(request)
        body_of(request)
        wish = ConsentsRequest(data=request.data)
        wish.is_valid(raise_exception=True)
        orders = Order.objects.filter(merchant=client.merchant, number=number).select_related("buyer")
        order = orders.first() if number.isascii() and number.isprintable() else None
        if order is None:
            raise unknown_order(number[:40])
        given = wish.validated_data
        left = record_consents(order, list(dict.fromkeys(given["messages"])), times=given.get("times", 1))
        return Response(
            {"consents": [{"message": name, "left": count} for name, count in left.items()]}, status=201
        )
