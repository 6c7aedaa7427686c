"""`POST /api/v1/stock/`: a warehouse reports what is on its shelves."""

from __future__ import annotations

from collections.abc import Mapping

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from logistics.erp_api.refusals import REFUSALS
from logistics.erp_api.serializers import LevelResultsSerializer, LevelsSerializer
from logistics.stock.levels import LevelResult, report_stock
from orders.clients import client_of
from orders.serializers import ErrorView
from ordersite.lib.api.json_parser import StrictJSONParser


class ReportStock(APIView):
    """Report up to 500 levels. Each gets a result of its own, in order; saying the same again changes nothing."""

    parser_classes = [StrictJSONParser]
    required_scopes: Mapping[str, str] = {"POST": "shipments:write"}

    @extend_schema(
        operation_id="report_stock",
        summary="Report what is on the shelves",
        request=LevelsSerializer,
        responses={
            200: LevelResultsSerializer,
            **{status: OpenApiResponse(ErrorView, text) for status, text in REFUSALS.items()},
        },
    )
    def post(self, request: Request) -> Response:
        serializer = LevelsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        results = report_stock(client_of(request).merchant, serializer.rows())
        return Response({"results": [_result_json(result) for result in results]})


def _result_json(result: LevelResult) -> dict[str, object]:
    return {
        "warehouse": result.level.warehouse,
        "product_id": result.level.product_id,
        "ok": result.ok,
        "code": result.code,
        "message": result.message,
    }
