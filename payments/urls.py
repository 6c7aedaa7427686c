from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, re_path

from payments.attempts import api, order_page, pages

_REFERENCE = r"(?P<reference>[0-9A-Z]{16,32})"
_TOKEN = r"(?P<token>[A-Za-z0-9_-]{16,32})"  # noqa: S105 (a pattern)

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/orders/<slug:number>/payments/", api.OrderPayments.as_view(), name="order-payments"),
    re_path(rf"^pay/order/{_TOKEN}/$", order_page.show_order, name="pay-order"),
    re_path(rf"^pay/go/{_REFERENCE}/$", pages.show_form, name="pay-go"),
    re_path(rf"^pay/return/{_REFERENCE}/$", pages.show_return, name="pay-return"),
    re_path(rf"^pay/return/{_REFERENCE}/qr.svg$", pages.show_code, name="pay-code"),
    re_path(rf"^pay/return/{_REFERENCE}/state/$", pages.show_state, name="pay-state"),
]
