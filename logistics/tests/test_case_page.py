"""The page of a parcel's case: words, advice, no code and no JSON."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from logistics.models import ShipmentException
from logistics.tests.builders import build_shipment

pytestmark = pytest.mark.django_db
Kind = ShipmentException.Kind


def page(kind: str, **detail: str) -> str:
    parcel = build_shipment()
    case = ShipmentException.objects.create(kind=kind, shipment=parcel, order=parcel.order, detail=detail)
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client.get(f"/admin/logistics/shipmentexception/{case.pk}/change/").content.decode()


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        ({"code": "order_refunded", "order_status": "refunded"}, "已退款"),
        ({"code": "trigger_off", "order_status": "shipped"}, "已发货"),
        (
            {"problem": "nothing_found: 500 查询无结果", "shipped_at": "2026-11-20T01:00:00+00:00"},
            "（500 查询无结果）",
        ),
        ({"problem": "fault: ValueError('x')"}, "快递的应答无法处理。"),
    ],
)
def test_details_are_words(detail: dict[str, str], words: str) -> None:
    shown = page(Kind.ORDER_NOT_COMPLETED, **detail)

    codes = (
        "order_refunded",
        "trigger_off",
        "nothing_found",
        "order_status",
        "{&quot;",
        "2026-11-20T01:00:00+00:00<",
    )
    assert [code for code in codes if code in shown] == []
    assert words in shown


@pytest.mark.parametrize("kind", Kind.values)
def test_every_kind_has_advice(kind: str) -> None:
    assert 'os-advice"></p>' not in page(kind)


def test_goods_and_money_with_the_buyer_is_said() -> None:
    shown = page(Kind.ORDER_NOT_COMPLETED, code="order_refunded", order_status="refunded")

    assert "货和钱都在买家手里" in shown
