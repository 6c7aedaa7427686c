"""`POST /api/v1/orders/{number}/waybills/` and the label of what it made."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from logistics.labels import problem_label
from logistics.models import WaybillOrder, WaybillStatus
from logistics.waybills import errors, printing
from logistics.waybills.reserve import reserve
from logistics.waybills.resolve import order_now
from logistics.waybills.serializers import MadeView, UnknownView, WaybillForm
from orders.clients import client_of
from orders.errors import RequestInProgress, unknown_order
from orders.history.lines import Actor
from orders.intake import idempotency
from orders.models import Merchant, Order
from orders.serializers import ErrorView
from ordersite.lib.api.json_parser import StrictJSONParser, body_of

# As long as a second call with the key of a running one waits at the creation of orders.
WAIT_SECONDS, LOOK_SECONDS = 2.0, 0.1
_REFUSALS = {
    400: "A field is not right, or the key is missing; `details` names it.",
    401: "No token, or an unknown one.",
    403: "The token has not the scope `shipments:write`.",
    404: "There is no such order or carrier account in this shop.",
    406: "Only JSON is spoken here.",
    409: "Refused (`not_paid`, `held`, `over_shipped`, `unknown_carrier`, `unknown_warehouse`, `account_disabled`, "
    "`waybills_not_offered`, `waybill_cancelled`), or the first call with this key is still running "
    "(`request_in_progress`; see Retry-After). Nothing was ordered.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "The carrier refused it (`waybill_refused`, in its own words; the goods are free again, and a new try takes a "
    "new key), or the key was used with another body (`idempotency_key_reused`).",
    429: "More requests than this client may make; see Retry-After.",
    503: "The database is busy or away; see Retry-After.",
}
_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    required=True,
    description="1 to 255 printable ASCII characters, yours alone. A repeated call orders no second waybill.",
)


class OrderWaybills(APIView):
    """Order a waybill for goods of a paid order."""

    parser_classes = (StrictJSONParser,)
    required_scopes = {"POST": "shipments:write"}

    @extend_schema(
        operation_id="order_waybill",
        summary="Order a waybill at a carrier",
        parameters=[_KEY],
        request=WaybillForm,
        responses={
            200: OpenApiResponse(
                MadeView, "A replay: the waybill that the first call ordered, as it is now."
            ),
            201: MadeView,
            202: UnknownView,
            **{status: OpenApiResponse(ErrorView, text) for status, text in _REFUSALS.items()},
        },
    )
    def post(self, request: Request, number: str) -> Response:
        client, body = client_of(request), body_of(request)
        key = idempotency.check_key(request.headers.get("Idempotency-Key"))
        form = WaybillForm(data=request.data)
        form.is_valid(raise_exception=True)
        order = find_order(client.merchant, number)
        actor = Actor("client", str(client.pk))
        made: list[WaybillOrder] = []

        def store() -> int:
            made.append(reserve(order, form.wanted(), actor=actor))
            return made[0].pk

        done = idempotency.run(client, key, idempotency.digest(request.path, body), store)
        if done.replayed:
            return answer(settled(done.subject_id), is_replay=True)
        return answer(order_now(made[0]))


class WaybillLabel(APIView):
    """The label of a waybill."""

    required_scopes = {"GET": "shipments:write"}

    @extend_schema(
        operation_id="waybill_label",
        summary="Fetch the label of a waybill",
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            401: OpenApiResponse(ErrorView, _REFUSALS[401]),
            403: OpenApiResponse(ErrorView, _REFUSALS[403]),
            404: OpenApiResponse(ErrorView, "There is no such waybill in this shop."),
            406: OpenApiResponse(ErrorView, "The caller takes no such file."),
            409: OpenApiResponse(ErrorView, "The waybill has not been made (`label_missing`)."),
            429: OpenApiResponse(ErrorView, _REFUSALS[429]),
        },
    )
    def get(self, request: Request, reference: str) -> HttpResponseBase:
        merchant = client_of(request).merchant
        waybill = WaybillOrder.objects.filter(merchant=merchant, reference=reference).first()
        if waybill is None:
            raise unknown_order(reference)
        return printing.label_response(waybill)


def find_order(merchant: Merchant, number: str) -> Order:
    """The merchant's order. Raises `DomainError` unknown_order, also for another merchant's."""
    order = Order.objects.filter(merchant=merchant, number=number).select_related("merchant").first()
    if order is None:
        raise unknown_order(number[:40])
    return order


def settled(waybill_id: int) -> WaybillOrder:
    """The waybill of an earlier call, once that call is over. Raises `RequestInProgress` when that takes more than 2 s."""
    until = time.monotonic() + WAIT_SECONDS
    while True:
        waybill = WaybillOrder.objects.get(pk=waybill_id)
        is_running = waybill.status == WaybillStatus.REQUESTED and waybill.leased_until is not None
        if not is_running:
            return waybill
        if time.monotonic() >= until:
            raise RequestInProgress
        time.sleep(LOOK_SECONDS)


def answer(waybill: WaybillOrder, *, is_replay: bool = False) -> Response:
    """The response for a waybill as it is now. Raises `DomainError`: waybill_refused, waybill_cancelled."""
    headers = {"Idempotent-Replayed": "true"} if is_replay else None
    if waybill.status == WaybillStatus.REFUSED:
        raise errors.waybill_refused(refusal_text(waybill))
    if waybill.status == WaybillStatus.CANCELLED:
        raise errors.waybill_cancelled()
    if not waybill.is_made:
        return Response({"shipment": waybill.parcel_id, "state": "unknown"}, status=202, headers=headers)
    return Response(_made(waybill), status=200 if is_replay else 201, headers=headers)


def _made(waybill: WaybillOrder) -> dict[str, Any]:
    path = reverse("api-waybill-label", args=[waybill.reference])
    return {
        "shipment": waybill.parcel_id,
        "carrier": waybill.carrier,
        "tracking_number": waybill.tracking_number,
        "label_url": settings.PUBLIC_BASE_URL + path,
    }


def refusal_text(waybill: WaybillOrder) -> str:
    """The carrier's own words; where it gave none, what its code means."""
    code, _colon, detail = waybill.refusal.partition(": ")
    return detail or problem_label(code)
