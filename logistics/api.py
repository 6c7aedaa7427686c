"""`POST /api/v1/shipments/confirm/`: a warehouse tells what has left."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from logistics.dispatch.confirm import Answer, confirm_shipments
from logistics.serializers import ConfirmationsSerializer, ResultsSerializer
from orders.lifecycle import Actor
from ordersite.lib.apijson import StrictJSONParser, body_of


class ConfirmShipments(APIView):
    """Confirm up to 500 parcels. Each gets a result of its own, in order; saying the same again changes nothing."""

    parser_classes = [StrictJSONParser]
    required_scopes: Mapping[str, str] = {"POST": "shipments:write"}

    @extend_schema(
        operation_id="confirm_shipments", request=ConfirmationsSerializer, responses={200: ResultsSerializer}
    )
    def post(self, request: Request) -> Response:
        body = body_of(request)
        given = ConfirmationsSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        client = request.auth
        answers = confirm_shipments(
            client.merchant,
            given.rows(),
            actor=Actor("client", client.name[:64]),
            digest=hashlib.sha256(body).hexdigest(),
        )
        return Response({"results": [_result(answer) for answer in answers]})


def _result(answer: Answer) -> dict[str, object]:
    return {
        "order": answer.order,
        "ok": answer.ok,
        "code": answer.code,
        "message": answer.message,
        "shipment": answer.shipment,
    }
