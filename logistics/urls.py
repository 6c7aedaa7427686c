from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, re_path

from logistics import api, pages

_TOKEN = r"(?P<token>[A-Za-z0-9_-]{16,32})"  # noqa: S105 (a pattern)

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/shipments/confirm/", api.ConfirmShipments.as_view(), name="api-shipments-confirm"),
    re_path(rf"^track/{_TOKEN}/$", pages.track, name="track"),
    re_path(rf"^track/{_TOKEN}/qr\.svg$", pages.track_qr, name="track-qr"),
]
