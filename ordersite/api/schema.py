"""Adds to the OpenAPI schema of the order API what serializers do not say: headers, filters, refusals."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.serializers import ListSerializer

from orders.models import OrderStatus
from orders.serializers import (
    BODY_REFUSALS,
    ORDER_NUMBER,
    CancelForm,
    OrderForm,
    OrderPage,
    OrderView,
    refusals,
    retry_after,
)
from ordersite.lib import paging


class BearerScheme(OpenApiAuthenticationExtension):
    """Describes the bearer authentication to the schema generator."""

    target_class = "orders.clients.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class StrictForms(OpenApiSerializerExtension):
    """Writes into the schema that unknown keys are refused."""

    target_class = "ordersite.lib.api.fields.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        form = self.target() if isinstance(self.target, type) else self.target
        for name, field in form.fields.items():
            if isinstance(field, ListSerializer):
                limits: Any = field  # the stubs do not know a list's limits
                schema["properties"][name] |= {"minItems": limits.min_length, "maxItems": limits.max_length}
        return {**schema, "additionalProperties": False}


class TextField(OpenApiSerializerFieldExtension):
    """Writes a text field's pattern into the schema; the generator adds the empty text where it is allowed."""

    target_class = "ordersite.lib.api.fields.Text"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return {
            "type": "string",
            "maxLength": self.target.max_length,
            "minLength": 1,
            "pattern": self.target.pattern,
        }


_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    OpenApiParameter.HEADER,
    required=True,
    description="1 to 255 printable ASCII characters, kept for 24 h.",
)
_REPLAYED = OpenApiParameter(
    "Idempotent-Replayed",
    {"type": "string", "enum": ["true"]},
    OpenApiParameter.HEADER,
    response=[200],
    required=True,
    description="An earlier call with this key made the order.",
)
_RETRY_AFTER = retry_after(409, 429, 503)
_TIME = {"type": "string", "format": "date-time"}
_FILTERS = [
    OpenApiParameter("status", {"type": "string", "enum": list(OrderStatus.values)}),
    OpenApiParameter("created_after", _TIME, description="From this time on."),
    OpenApiParameter("created_before", _TIME, description="Before this time."),
    OpenApiParameter(
        "cursor",
        {"type": "string", "pattern": paging.CURSOR_PATTERN},
        description="From `next` of the page before.",
    ),
    OpenApiParameter("page_size", {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}),
]


LIST: dict[str, Any] = {
    "operation_id": "list_orders",
    "summary": "List orders, newest first",
    "parameters": [*_FILTERS, _RETRY_AFTER],
    "responses": {200: OrderPage, **refusals()},
}
CREATE: dict[str, Any] = {
    "operation_id": "create_order",
    "summary": "Create an order",
    "parameters": [_KEY, _REPLAYED, _RETRY_AFTER],
    "request": OrderForm,
    "responses": {
        201: OrderView,
        200: OpenApiResponse(OrderView, "The order that this key made before, as it is now."),
        **refusals(
            **BODY_REFUSALS,
            e409="`request_in_progress`, `duplicate_suspected` with `details.order_number`, or `order_refused`.",
            e422="`idempotency_key_reused`: this key was used with another body.",
        ),
    },
}
DETAIL: dict[str, Any] = {
    "operation_id": "read_order",
    "summary": "Read an order",
    "parameters": [ORDER_NUMBER, _RETRY_AFTER],
    "responses": {200: OrderView, **refusals(e404="`unknown_order`.")},
}
CANCEL: dict[str, Any] = {
    "operation_id": "cancel_order",
    "summary": "Cancel an unpaid order",
    "parameters": [ORDER_NUMBER, _RETRY_AFTER],
    "request": CancelForm,
    "responses": {
        200: OpenApiResponse(OrderView, "The order is closed."),
        202: OpenApiResponse(OrderView, "A provider is still being queried."),
        **refusals(**BODY_REFUSALS, e404="`unknown_order`.", e409="`already_paid`."),
    },
}
