"""The product with one address changed: orders are created with no layer but the key and the constraints."""

from __future__ import annotations

from django.urls import path

from orders.intake.once import create_for_key
from ordersite.api.views import OrderList
from ordersite.urls import urlpatterns as ordinary


class UnguardedOrderList(OrderList):
    """Creates orders without a visit to the store of fingerprints and counts."""

    create = staticmethod(create_for_key)


urlpatterns = [path("api/v1/orders/", UnguardedOrderList.as_view()), *ordinary]
