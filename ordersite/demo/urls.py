from __future__ import annotations

from django.urls import path

from ordersite.demo import checkout

urlpatterns = [path("checkout/", checkout.checkout, name="checkout")]
