"""Filters of the order list through which pages with counts link to the orders behind a number; each uses an index."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders.models import Buyer, Merchant
from ordersite.automation.tags import orders_with
from ordersite.lib.adminkit.minutes_filter import LinkedFilter, MinutesFilter, times_of


class OrderMinutesFilter(MinutesFilter):
    """The index begins with the merchant, so all of them are named where none is."""

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.value():
            return queryset
        shops = list(Merchant.objects.values_list("pk", flat=True))
        return super().queryset(request, queryset.filter(merchant_id__in=shops))


class BuyerFilter(LinkedFilter):
    """Filter by `buyer=MERCHANT:ID`: the merchant's key, and the buyer's id at the merchant's."""

    title = _("buyer")
    parameter_name = "buyer"

    def label_of(self, value: str) -> str:
        return value.partition(":")[2]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        shop, _colon, buyer = (self.value() or "").partition(":")
        if not self.value():
            return queryset
        found = Buyer.objects.filter(merchant_id=shop, outside_id=buyer) if shop.isdecimal() else ()
        return queryset.filter(buyer_id__in=[one.pk for one in found])


class ClientAddressFilter(LinkedFilter):
    """Filter by `address=MERCHANT:IP`, within `minutes` alone: no index begins with the address."""

    title = _("client address")
    parameter_name = "address"

    def label_of(self, value: str) -> str:
        return value.partition(":")[2]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        shop, _colon, address = (self.value() or "").partition(":")
        if not self.value():
            return queryset
        if not shop.isdecimal() or times_of(request.GET.get("minutes", "")) is None:
            return queryset.none()
        return queryset.filter(merchant_id=shop, client_ip=address)


class TagFilter(LinkedFilter):
    """Filter by a tag: each tag in the list leads to it."""

    title = pgettext_lazy("order", "tag")
    parameter_name = "tag"

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(pk__in=orders_with(self.value() or "")) if self.value() else queryset
