from __future__ import annotations

from django.urls import path

from ordersite.merchant_webhooks.shop import pages

ENDPOINT = "shop/webhooks/<int:endpoint_id>"
urlpatterns = [
    path("shop/webhooks/", pages.endpoint_list, name="shop-webhooks"),
    path("shop/webhooks/add/", pages.endpoint_add, name="shop-webhook-add"),
    path(f"{ENDPOINT}/", pages.endpoint_page, name="shop-webhook"),
    path(f"{ENDPOINT}/settings/", pages.endpoint_settings, name="shop-webhook-settings"),
    path(f"{ENDPOINT}/rotate/", pages.endpoint_rotate, name="shop-webhook-rotate"),
    *(
        path(
            f"{ENDPOINT}/{action}/", pages.endpoint_action, {"action": action}, name=f"shop-webhook-{action}"
        )
        for action in ("test", "pause", "resume")
    ),
    path("shop/webhooks/deliveries/<int:delivery_id>/", pages.delivery_page, name="shop-webhook-delivery"),
]
