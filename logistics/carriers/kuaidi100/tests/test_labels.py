"""Waybills ordered and cancelled: as sent, as read, and what a failure means."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from logistics.carriers.interface import Operation
from logistics.carriers.kuaidi100.adapter import Kuaidi100
from logistics.carriers.kuaidi100.signatures import sign_label
from logistics.carriers.kuaidi100.tests.vendor import account_of, answer, received_form, received_param
from logistics.carriers.types import CarrierError, Contact, Goods, MadeWaybill, NewWaybill, WaybillRequest
from ordersite.lib.http import Gateway
from sandbox.tests.nobody import nobody

PAYLOADS = Path(__file__).parent / "payloads"
SENDER = Contact(
    name="仓库",
    phone="13800138000",
    province="广东",
    city="深圳市",
    district="龙岗区",
    street="一路 1 号",
    company="甲公司",
)
RECEIVER = Contact(
    name="王小明", phone="13900139000", province="四川", city="成都市", district="双流区", street="二路 2 号"
)
REQUEST = WaybillRequest(
    reference="W0123456789ABCDE",
    carrier="yto",
    sender=SENDER,
    receiver=RECEIVER,
    goods=(Goods("茶", 2), Goods("杯", 1)),
    insured_value=Decimal("500"),
)
MADE = MadeWaybill(reference=REQUEST.reference, carrier="yto", tracking_number="YT2600227881409")


def order(
    server: HTTPServer, response: object, *, status: int = 200, request: WaybillRequest = REQUEST
) -> NewWaybill:
    answer(server, "/label", response, status=status)
    return Kuaidi100().create_waybill(request, account_of(server), Gateway())


def refusal(message: str, code: object = 30002) -> dict[str, Any]:
    return {"success": False, "code": code, "message": message, "time": 3}


def test_order_as_it_is_sent(server: HTTPServer) -> None:
    order(server, (PAYLOADS / "order_made.json").read_text())

    form = received_form(server)
    assert (form["method"], form["key"]) == ("order", "KEY")
    assert abs(int(form["t"]) / 1000 - time.time()) < 60
    assert form["sign"] == sign_label(form["param"], t=form["t"], key="KEY", secret="SECRET")
    assert received_param(server) == {
        "partnerId": "MONTHLY1",
        "partnerKey": "PKEY",
        "net": "广东福田",
        "kuaidicom": "yuantong",
        "recMan": {
            "name": "王小明", "mobile": "13900139000",
            "province": "四川", "city": "成都市", "district": "双流区", "addr": "二路 2 号",
        },
        "sendMan": {
            "name": "仓库", "mobile": "13800138000", "company": "甲公司",
            "province": "广东", "city": "深圳市", "district": "龙岗区", "addr": "一路 1 号",
        },
        "cargo": "茶、杯",
        "count": 1,
        "payType": "MONTHLY",
        "valinsPay": "500.00",
        "printType": "NON",
        "orderId": "W0123456789ABCDE",
        "reorder": False,
    }  # fmt: skip


def test_label_is_wanted_where_the_account_has_a_template(server: HTTPServer) -> None:
    answer(server, "/label", (PAYLOADS / "order_made.json").read_text())
    account = account_of(server, tempId="T1", expType="标准快递", payType="SHIPPER")
    Kuaidi100().create_waybill(REQUEST, account, Gateway())
    param = received_param(server)
    assert [param[name] for name in ("printType", "tempId", "expType", "payType")] == [
        "IMAGE", "T1", "标准快递", "SHIPPER",
    ]  # fmt: skip


def test_uninsured_order_names_no_value(server: HTTPServer) -> None:
    request = WaybillRequest(
        reference="W0123456789ABCDF", carrier="yto", sender=SENDER, receiver=RECEIVER, goods=()
    )
    made = order(server, (PAYLOADS / "order_made.json").read_text(), request=request)
    assert "valinsPay" not in received_param(server)
    assert made.insured_value is None


def test_whole_answer(server: HTTPServer) -> None:
    made = order(server, (PAYLOADS / "order_made.json").read_text())
    assert made == NewWaybill(
        tracking_number="YT2600227881409",
        label_url="https://api.kuaidi100.com/label/getImage/20261122/9C4F",
        marks={
            "bulkpen": "028-双流-01",
            "orgCode": "755901",
            "orgName": "深圳转运中心",
            "destCode": "028901",
            "destName": "成都转运中心",
            "kdComOrderNum": "YTO20261122001",
        },
        insured_value=Decimal("500"),
        raw=made.raw,
    )
    assert '"taskId": "9C4F0E11"' in made.raw


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("电子面单余额不足, 单号余额为0", "No waybill numbers"),
        ("收件地址超区", "outside the carrier's area"),
        ("该区域已停发", "stopped shipping"),
        ("月结账号已冻结", "frozen"),
        ("模板与快递公司不匹配", "tempId"),
        ("订单未付款或已关闭", "not paid or is closed"),
        ("收件人手机号错误", "phone number"),
        ("网点编码错误", "branch's code"),
        ("账号余额不足, 请充值", "used up"),
        ("星期八不收件", ""),
    ],
)
def test_refusals_in_words(server: HTTPServer, message: str, hint: str) -> None:
    with pytest.raises(CarrierError) as caught:
        order(server, refusal(message))
    error = caught.value
    assert (error.code, error.outcome_known, error.retryable) == ("refused", True, False)
    assert error.detail == f"{message} (30002)"
    with translation.override("en"):
        explained = Kuaidi100().explain(error.detail)
    assert hint in explained
    assert bool(explained) == bool(hint)


def test_wrong_signature_is_the_accounts_fault(server: HTTPServer) -> None:
    with pytest.raises(CarrierError) as caught:
        order(server, refusal("验证签名失败"))
    assert (caught.value.code, caught.value.ends_run) == ("misconfigured", True)


@pytest.mark.parametrize(
    ("response", "status"),
    [
        ("", 200),
        ("<html>", 200),
        ("[]", 200),
        ({}, 200),
        ({"success": True, "code": 200, "data": {}}, 200),
        ({"success": True, "code": 200, "data": {"kuaidinum": "号"}}, 200),
        ({"success": True, "code": 300, "data": {"kuaidinum": "YT2600227881409"}}, 200),
        (refusal("系统异常, 请稍后重试"), 200),
        (refusal("请求快递公司接口超时"), 200),
        ("", 500),
        ("", 404),
        ("", 302),
    ],
)
def test_unsure_answers_leave_the_order_unknown(server: HTTPServer, response: object, status: int) -> None:
    with pytest.raises(CarrierError) as caught:
        order(server, response, status=status)
    assert (caught.value.code, caught.value.outcome_known) == ("unknown", False)


def test_time_out_leaves_the_order_unknown(server: HTTPServer) -> None:
    def late(request: Request) -> Response:
        time.sleep(0.5)
        return Response("{}")

    server.expect_request("/label").respond_with_handler(late)
    with pytest.raises(CarrierError) as caught:
        Kuaidi100().create_waybill(REQUEST, account_of(server), Gateway(read=0.1))
    assert caught.value.code == "unknown"


def test_order_that_was_never_sent_is_known_to_be_none(server: HTTPServer) -> None:
    account = account_of(server, label_url=f"{nobody()}/label")
    with pytest.raises(CarrierError) as caught:
        Kuaidi100().create_waybill(REQUEST, account, Gateway())
    assert (caught.value.code, caught.value.outcome_known) == ("busy", True)


def test_throttled_order_is_known_to_be_none(server: HTTPServer) -> None:
    with pytest.raises(CarrierError, match="throttled"):
        order(server, "", status=429)


def test_carrier_that_the_vendor_does_not_know(server: HTTPServer) -> None:
    request = WaybillRequest(
        reference="W0123456789ABCDF", carrier="other", sender=SENDER, receiver=RECEIVER, goods=()
    )
    with pytest.raises(CarrierError, match="not_accepted"):
        order(server, "{}", request=request)
    assert server.log == []


def test_orders_are_not_found_but_repeated() -> None:
    assert Operation.FIND_WAYBILL not in Kuaidi100.operations


def cancel(server: HTTPServer, response: object, status: int = 200) -> None:
    answer(server, "/label", response, status=status)
    Kuaidi100().cancel_waybill(MADE, account_of(server), Gateway())


def test_cancellation_as_it_is_sent(server: HTTPServer) -> None:
    cancel(server, {"success": True, "code": 200, "message": "成功", "data": None})
    assert received_form(server)["method"] == "cancel"
    assert received_param(server) == {
        "partnerId": "MONTHLY1",
        "partnerKey": "PKEY",
        "net": "广东福田",
        "kuaidicom": "yuantong",
        "kuaidinum": "YT2600227881409",
        "orderId": "W0123456789ABCDE",
        "reason": "订单取消",
    }


def test_what_is_cancelled_already_is_no_error(server: HTTPServer) -> None:
    cancel(server, refusal("该订单已取消, 请勿重复取消"))


@pytest.mark.parametrize(
    ("response", "status", "code"),
    [(refusal("订单已揽收, 不能取消"), 200, "refused"), ("", 502, "unknown"), ("<html>", 200, "unknown")],
)
def test_failed_cancellation(server: HTTPServer, response: object, status: int, code: str) -> None:
    with pytest.raises(CarrierError, match=code):
        cancel(server, response, status)
