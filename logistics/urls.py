from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, re_path

from logistics import api, pages
from logistics.erp_api import dispatches, stock
from logistics.waybills import api as waybills

_TOKEN = r"(?P<token>[A-Za-z0-9_-]{16,32})"  # noqa: S105 (a pattern)

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/shipments/confirm/", api.ConfirmShipments.as_view(), name="api-shipments-confirm"),
    path("api/v1/dispatches/", dispatches.Dispatches.as_view(), name="api-dispatches"),
    path("api/v1/dispatches/ack/", dispatches.AckDispatches.as_view(), name="api-dispatches-ack"),
    path("api/v1/stock/", stock.ReportStock.as_view(), name="api-stock"),
    path("api/v1/orders/<str:number>/waybills/", waybills.OrderWaybills.as_view(), name="api-order-waybills"),
    re_path(
        r"^api/v1/waybills/(?P<reference>[0-9A-Z]{8,32})/label/$",
        waybills.WaybillLabel.as_view(),
        name="api-waybill-label",
    ),
    re_path(rf"^track/{_TOKEN}/$", pages.track, name="track"),
    re_path(rf"^track/{_TOKEN}/qr\.svg$", pages.track_qr, name="track-qr"),
    re_path(rf"^track/{_TOKEN}/state/$", pages.track_state, name="track-state"),
]
