"""Request and response of the call that starts a payment, and its description in the OpenAPI schema."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from orders.serializers import ErrorView
from ordersite.lib.api.fields import Choice, StrictSerializer, Text
from payments.models import PaymentStatus
from payments.providers.registry import PROVIDERS


class PaymentRequest(StrictSerializer):
    provider = Choice(choices=list(PROVIDERS))
    account = Text(max_length=40, help_text="The slug of one of the shop's payment accounts.")


class PaymentAttempt(serializers.Serializer[Any]):
    """`pay_url` is an address to open, `code_url` a text for a QR code; neither where the account has no such call.

    `app_params` are for a page inside WeChat (an account with `trade_type` jsapi): handed to WeixinJSBridge's
    getBrandWCPayRequest as they are. They are signed anew by each call.
    """

    reference = serializers.CharField()
    amount = serializers.CharField()
    provider = serializers.ChoiceField(choices=list(PROVIDERS))
    status = serializers.ChoiceField(choices=PaymentStatus.choices)
    pay_url = serializers.CharField(required=False)
    code_url = serializers.CharField(required=False)
    app_params = serializers.DictField(child=serializers.CharField(), required=False)


_REFUSALS = {
    400: "A field is not right; `details` names it.",
    401: "No token, or an unknown one.",
    403: "The token has not the scope.",
    404: "`unknown_order`, or `unknown_account`.",
    406: "Only JSON is spoken here.",
    409: "`order_not_payable` (also while it is being closed), `account_disabled`, or `openid_missing`: the account "
    "collects inside WeChat, and the buyer was given without `openid`.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    429: "More requests than this client may make; see Retry-After.",
    502: "`provider_unavailable`: the attempt `details.reference` is on record and is queried later.",
    503: "The database is busy or away; see Retry-After.",
}
_NUMBER = {"type": "string", "pattern": "^[0-9]{8}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$"}

START: dict[str, Any] = {
    "operation_id": "start_payment",
    "summary": "Collect the money of an order",
    "parameters": [
        OpenApiParameter("number", _NUMBER, OpenApiParameter.PATH, description="The order number."),
        OpenApiParameter(
            "Retry-After",
            {"type": "string", "pattern": "^[0-9]+$"},
            OpenApiParameter.HEADER,
            response=[429, 503],
            description="Seconds.",
        ),
    ],
    "request": PaymentRequest,
    "responses": {
        200: OpenApiResponse(PaymentAttempt, "The attempt that is open already for this account and amount."),
        201: OpenApiResponse(
            PaymentAttempt, "A new attempt; it expires at its provider when the order closes."
        ),
        **{code: OpenApiResponse(ErrorView, text) for code, text in _REFUSALS.items()},
    },
}
