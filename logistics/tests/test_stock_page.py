"""The merchant's page of stock: the shop's own figures, in pages, and nothing of another shop."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from logistics.dispatch.instructions.tests.builders import build_pull, count
from logistics.models import Stock, Warehouse
from logistics.stock.listed import PAGE_SIZE
from logistics.tests.builders import build_warehouse
from orders.models import MerchantMember
from orders.tests.builders import build_merchant

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Client:
    user = User.objects.create_user("merchant")
    MerchantMember.objects.create(merchant=build_merchant(), user=user)
    client = Client()
    client.cookies["django_language"] = "zh-hans"
    client.force_login(user)
    return client


def said(client: Client, query: str = "") -> str:
    answer = client.get(f"/shop/stock/{query}")
    assert answer.status_code == 200
    words = re.sub(r"<[^>]+>", " ", answer.content.decode().partition("<main")[2])
    return " ".join(words.split())


def test_figures_of_each_warehouse(member: Client) -> None:
    here, there = build_pull("a-here"), build_pull("b-there")
    count(here, "cup-1", 5)
    Stock.objects.update(reserved=2)
    count(here, "cup-2", 1)
    Stock.objects.filter(product_id="cup-2").update(reserved=4)
    Stock.objects.create(warehouse=here, product_id="cup-3", reserved=1)
    count(there, "lid-1", 9)

    page = said(member)

    assert "cup-1 未盘点 5 2 3" in page
    assert "cup-2 未盘点 1 4 缺 3 件" in page
    assert "cup-3 未盘点 – 1 一直有货" in page
    assert "lid-1" not in page
    assert "lid-1" in said(member, "?warehouse=b-there")
    assert "cup-1" not in said(member, "?level=none")
    assert "cup-2" in said(member, "?level=none")
    assert "b-there ·" in said(member, "?q=lid-1")


def test_another_shops_stock_is_not_there(member: Client) -> None:
    other = build_merchant("other")
    count(build_warehouse(other, slug="secret"), "their-cup", 5)

    for query in ("", "?warehouse=secret", "?q=their-cup"):
        assert "件" not in said(member, query)
        assert "their-cup 未盘点" not in said(member, query)
    assert "店铺还没有仓库" in said(member)


def test_pages_follow_one_another(member: Client) -> None:
    warehouse = build_pull("hz")
    names = [f"p{number:03}" for number in range(PAGE_SIZE + 1)]
    Stock.objects.bulk_create(Stock(warehouse=warehouse, product_id=name, on_hand=1) for name in names)

    first, second = said(member), said(member, f"?after={names[PAGE_SIZE - 1]}")

    assert names[-1] not in first
    assert "更多商品" in first
    assert names[-1] in second
    assert "从头看" in second
    assert names[0] not in second


@pytest.mark.parametrize(
    "query", ["?after=%00", "?warehouse=%00&level=none", "?q=%00", "?after=" + "x" * 5000]
)
def test_what_is_typed_does_no_harm(member: Client, query: str) -> None:
    build_pull("hz")
    said(member, query)
    assert Warehouse.objects.count() == 1
