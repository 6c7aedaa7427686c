"""`GET /api/v1/dispatches/` and `POST /api/v1/dispatches/ack/`: a warehouse fetches and acknowledges instructions."""

from __future__ import annotations

from collections.abc import Mapping

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from logistics import errors
from logistics.dispatch.instructions.pull import acknowledge, hand_out
from logistics.erp_api.refusals import REFUSALS
from logistics.erp_api.serializers import (
    AckResultsSerializer,
    AcksSerializer,
    DispatchesSerializer,
    DispatchQuerySerializer,
)
from logistics.models import Warehouse
from orders.clients import client_of
from orders.serializers import ErrorView
from ordersite.lib.api.json_parser import StrictJSONParser

_ERRORS = {status: OpenApiResponse(ErrorView, text) for status, text in REFUSALS.items()}


class Dispatches(APIView):
    """The instructions that wait for a warehouse, oldest first, handed out again until they are acknowledged."""

    required_scopes: Mapping[str, str] = {"GET": "shipments:write"}

    @extend_schema(
        operation_id="list_dispatches",
        summary="Fetch the instructions of a warehouse",
        parameters=[
            OpenApiParameter("warehouse", str, required=True, description="The warehouse's slug."),
            OpenApiParameter("limit", int, description="1 to 500; 100 without it."),
        ],
        responses={200: DispatchesSerializer, **_ERRORS},
    )
    def get(self, request: Request) -> Response:
        query = DispatchQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        warehouse = Warehouse.objects.filter(
            merchant=client_of(request).merchant, slug=query.validated_data["warehouse"]
        ).first()
        if warehouse is None:
            raise serializers.ValidationError({"warehouse": [str(errors.STOCK["unknown_warehouse"])]})
        found = hand_out(warehouse, limit=query.validated_data["limit"])
        return Response({"dispatches": [one.as_json() for one in found]})


class AckDispatches(APIView):
    """Acknowledge up to 500 instructions. Each gets a result of its own, in order; repeating one changes nothing."""

    parser_classes = [StrictJSONParser]
    required_scopes: Mapping[str, str] = {"POST": "shipments:write"}

    @extend_schema(
        operation_id="ack_dispatches",
        summary="Accept or refuse instructions",
        request=AcksSerializer,
        responses={200: AckResultsSerializer, **_ERRORS},
    )
    def post(self, request: Request) -> Response:
        serializer = AcksSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        results = acknowledge(client_of(request).merchant, serializer.rows())
        return Response(
            {
                "results": [
                    {"id": result.id, "ok": result.ok, "code": result.code, "message": result.text}
                    for result in results
                ]
            }
        )
