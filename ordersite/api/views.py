"""The views of the order API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from orders import about as orders_about
from orders import closing, errors, machine
from orders.clients import client_of
from orders.history.lines import Actor, Evidence
from orders.intake import idempotency, numbers
from orders.intake.once import KeyedCall, Replayed, create_once
from orders.models import ApiClient, Order
from orders.serializers import CancelForm, ListQuery, OrderForm, order_json
from ordersite.api import schema
from ordersite.api.composed import compose
from ordersite.lib import paging
from ordersite.lib.api import json_parser

PAGE_SIZE = 50
_ORDER_FORM = OrderForm()
_FIRST_MOMENT, _LAST_MOMENT = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


def orders_of(client: ApiClient) -> QuerySet[Order]:
    """Return the orders of the client's merchant; those of others do not exist for it."""
    return Order.objects.filter(merchant=client.merchant).select_related("buyer")


def find_order(client: ApiClient, number: str) -> Order:
    """Return the client's order of this number. Raises unknown_order."""
    order = orders_of(client).filter(number=number).first() if numbers.is_number(number) else None
    if order is None:
        raise errors.unknown_order(number[:40])
    return order


class OrderList(APIView):
    """Create an order; list the shop's orders."""

    parser_classes = [json_parser.StrictJSONParser]
    required_scopes = {"GET": "orders:read", "POST": "orders:write"}
    create = staticmethod(create_once)

    @extend_schema(**schema.LIST)
    def get(self, request: Request) -> Response:
        query = ListQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        rows = _filtered(orders_of(client_of(request)), query.validated_data)
        try:
            page, following = paging.page_of(
                rows,
                cursor=query.validated_data.get("cursor", ""),
                size=query.validated_data.get("page_size", PAGE_SIZE),
            )
        except ValueError as error:
            raise errors.invalid(cursor=_("This is no cursor of ours.")) from error
        return Response({"results": compose(page), "next": _next_link(request, following)})

    @extend_schema(**schema.CREATE)
    def post(self, request: Request) -> Response:
        client, body = client_of(request), json_parser.body_of(request)
        key = idempotency.check_key(request.headers.get("Idempotency-Key"))
        digest = idempotency.digest(request.path, body)
        draft = _ORDER_FORM.draft(
            request.data,
            actor=Actor("client", str(client.pk)),
            evidence=Evidence("request", key[:100], digest),
        )
        order = self.create(draft, KeyedCall(client, key, digest))
        if isinstance(order, Replayed):
            return Response(
                compose([orders_of(client).get(pk=order.pk)])[0],
                headers={"Idempotent-Replayed": "true"},
            )
        # A new order has no payments and no shipments yet.
        lines = orders_about.line_views(draft.lines)
        return Response(order_json(order, lines=lines, payments=[], shipments=[]), status=201)


class OrderDetail(APIView):
    """Return one order."""

    required_scopes = {"GET": "orders:read"}

    @extend_schema(**schema.DETAIL)
    def get(self, request: Request, number: str) -> Response:
        return Response(compose([find_order(client_of(request), number)])[0])


class OrderCancel(APIView):
    """Close an unpaid order; a provider that knows of it is queried first."""

    parser_classes = [json_parser.StrictJSONParser]
    required_scopes = {"POST": "orders:write"}

    @extend_schema(**schema.CANCEL)
    def post(self, request: Request, number: str) -> Response:
        client = client_of(request)
        json_parser.body_of(request)
        form = CancelForm(data=request.data)
        form.is_valid(raise_exception=True)
        found = find_order(client, number)
        result = closing.cancel(
            found.number,
            reason=form.validated_data["reason"],
            actor=Actor("client", str(client.pk)),
            trigger=machine.BUYER_CANCEL,
        )
        status = 200 if result == closing.CancelResult.CLOSED else 202
        return Response(compose([find_order(client, number)])[0], status=status)


def _filtered(rows: QuerySet[Order], query: dict[str, Any]) -> QuerySet[Order]:
    if "status" in query:
        rows = rows.filter(status=query["status"])
    if "created_after" in query:
        rows = rows.filter(created_at__gte=_moment("created_after", query["created_after"]))
    if "created_before" in query:
        rows = rows.filter(created_at__lt=_moment("created_before", query["created_before"]))
    return rows


def _moment(name: str, text: str) -> datetime:
    """Parse an ISO 8601 time with a zone to UTC, clamped to the calendar that Python knows."""
    try:
        found = parse_datetime(text.upper())
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise errors.invalid(**{name: _("Give an ISO 8601 time with its zone.")})
    try:
        return found.astimezone(UTC)
    except OverflowError:
        return _FIRST_MOMENT if found.year < 2000 else _LAST_MOMENT


def _next_link(request: Request, cursor: str) -> str | None:
    if not cursor:
        return None
    query = request.query_params.copy()
    query["cursor"] = cursor
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
