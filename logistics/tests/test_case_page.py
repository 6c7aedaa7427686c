"""The page of a parcel's case: words, advice, no code and no JSON."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.test import Client

from logistics.models import ShipmentException
from logistics.models.case import ACCOUNT_KINDS, DISPATCH, OF_ORDER
from logistics.tests.builders import build_account, build_shipment

pytestmark = pytest.mark.django_db
Kind = ShipmentException.Kind


def page(kind: str, **detail: str) -> str:
    if kind in ACCOUNT_KINDS:
        account = build_account("http://127.0.0.1:9/query.do")
        return shown(ShipmentException.objects.create(kind=kind, account=account, detail=detail))
    parcel = build_shipment()
    about: dict[str, Any] = {"shipment": parcel, "order": parcel.order}
    if kind == Kind.STOCK_SHORT:
        about = {"warehouse": parcel.warehouse, "product_id": "cup-1"}
    elif kind in DISPATCH:
        about = {"order": parcel.order, "warehouse": None if kind == "out_of_stock" else parcel.warehouse}
    elif kind in OF_ORDER:
        about = {"order": parcel.order}
    return shown(ShipmentException.objects.create(kind=kind, detail=detail, **about))


def shown(case: ShipmentException, path: str = "{}/change/", *, language: str = "zh-hans") -> str:
    client = Client()
    client.cookies["django_language"] = language
    client.force_login(User.objects.create_superuser("root"))
    response = client.get("/admin/logistics/shipmentexception/" + path.format(case.pk))
    assert response.status_code == 200
    return response.content.decode()


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


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh-hans", ("快递账户没有回音", "300,000", "没有回音自", "快递公司没有给出可用的应答", "HTTP 502")),
        ("en", ("carrier account silent", "300,000", "silent since", "did not answer usefully", "HTTP 502")),
    ],
)
@pytest.mark.parametrize("path", ["{}/change/", ""], ids=["page", "list"])
def test_case_of_an_account_needs_no_parcel(language: str, words: tuple[str, ...], path: str) -> None:
    account = build_account("http://127.0.0.1:9/query.do")
    detail = {"parcels": 300_000, "silent_since": "2026-11-20T01:00:00+00:00", "problem": "busy: HTTP 502"}
    case = ShipmentException.objects.create(kind=Kind.ACCOUNT_SILENT, account=account, detail=detail)

    text = shown(case, path, language=language)

    assert f"/admin/logistics/carrieraccount/{account.pk}/change/" in text
    assert [word for word in (words if path else words[:1]) if word.lower() not in text.lower()] == []


def test_refused_pushes_say_why() -> None:
    shown = page(Kind.PUSH_REJECTED, push_code="bad_signature")
    assert "签名" in shown
    assert "bad_signature" not in shown


@pytest.mark.parametrize("about", ["parcel", "account", "nothing"])
def test_case_is_about_a_parcel_or_about_an_account(about: str) -> None:
    parcel, account = build_shipment(), build_account("http://127.0.0.1:9/query.do")
    columns = {"parcel": {"account": account, "shipment": parcel, "order": parcel.order}, "account": {}}
    kind = Kind.RETURNED if about != "account" else Kind.ACCOUNT_SILENT

    with pytest.raises(IntegrityError, match="shipment_exception_about"):
        ShipmentException.objects.create(kind=kind, **columns.get(about, {}))
