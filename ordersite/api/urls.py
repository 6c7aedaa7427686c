"""Addresses of the order API, its schema and its page."""

from __future__ import annotations

from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from ordersite.api import views
from ordersite.lib.api import errors
from ordersite.messaging.consents_api import OrderConsents
from ordersite.server.content_policy import api_page

urlpatterns = [
    path("api/schema/", SpectacularAPIView.as_view(throttle_classes=[]), name="schema"),
    path("api/docs/", api_page(SpectacularSwaggerSplitView.as_view(url_name="schema")), name="docs"),
    path("api/v1/orders/", views.OrderList.as_view(), name="orders"),
    path("api/v1/orders/<str:number>/", views.OrderDetail.as_view(), name="order"),
    path("api/v1/orders/<str:number>/cancel/", views.OrderCancel.as_view(), name="order-cancel"),
    path("api/v1/orders/<str:number>/consents/", OrderConsents.as_view(), name="order-consents"),
]
# Included last: an unknown address under /api/ gets an error in the API's own form.
not_found_urlpatterns = [re_path(r"^api/", errors.no_such_address)]
