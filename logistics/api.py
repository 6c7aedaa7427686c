"""`POST /api/v1/shipments/confirm/`: a warehouse confirms the parcels that it has sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from logistics.dispatch.confirm import ConfirmationResult, confirm_shipments
from logistics.serializers import ConfirmationsSerializer, ResultsSerializer
from orders.clients import client_of
from orders.history.lines import Actor
from orders.serializers import ErrorView
from ordersite.lib.api.json_parser import StrictJSONParser, body_of

_REFUSALS = {
    400: "A field is not right; `details` names it. Nothing was confirmed.",
    401: "No token, or an unknown one.",
    403: "The token has not the scope `shipments:write`.",
    406: "Only JSON is spoken here.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    429: "More requests than this client may make; see Retry-After.",
    503: "The database is busy or away; see Retry-After.",
}


class ConfirmShipments(APIView):
    """Confirm up to 500 parcels. Each gets a result of its own, in order; saying the same again changes nothing."""

    parser_classes = [StrictJSONParser]
    required_scopes: Mapping[str, str] = {"POST": "shipments:write"}

    @extend_schema(
        operation_id="confirm_shipments",
        summary="Confirm what has left the warehouse",
        request=ConfirmationsSerializer,
        responses={
            200: ResultsSerializer,
            **{status: OpenApiResponse(ErrorView, text) for status, text in _REFUSALS.items()},
        },
    )
    def post(self, request: Request) -> Response:
        client, body = client_of(request), body_of(request)
        serializer = ConfirmationsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        results = confirm_shipments(
            client.merchant,
            serializer.rows(),
            actor=Actor("client", str(client.pk)),
            digest=hashlib.sha256(body).hexdigest(),
        )
        return Response({"results": [_result_json(result) for result in results]})


def _result_json(result: ConfirmationResult) -> dict[str, object]:
    return {
        "order": result.order,
        "ok": result.ok,
        "code": result.code,
        "message": result.message,
        "shipment": result.shipment,
    }
