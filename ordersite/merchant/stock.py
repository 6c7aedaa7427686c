"""The merchant's page of stock: read only, for figures come from the warehouses themselves."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from logistics.stock.listed import stock_page
from orders.models import Merchant
from ordersite.merchant.access import for_members


@require_safe
@for_members
def stock_list(request: HttpRequest, merchant: Merchant) -> HttpResponse:
    """A warehouse that is not the shop's is not there: the first of its own is shown."""
    given = request.GET.get
    term, is_used_up = given("q", "").strip(), given("level") == "none"
    page = stock_page(
        merchant.pk,
        slug=given("warehouse", ""),
        product=term,
        only_used_up=is_used_up,
        after=given("after", ""),
    )
    context = {
        "merchant": merchant,
        "page": page,
        "term": term,
        "is_used_up": is_used_up,
        "is_first": not given("after"),
    }
    return render(request, "merchant/stock.html", context)
