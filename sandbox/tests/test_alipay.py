import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from pytest_httpserver import HTTPServer

from sandbox.tests.running import APP_ID, SELLER_ID, Running, call, new_key, wait_for

BEIJING = timezone(timedelta(hours=8))


def pay_url(box: Running, reference: str, *, amount: str = "199.00", **more: Any) -> str:
    expire = (datetime.now(BEIJING) + timedelta(minutes=30)).strftime("%Y-%m-%d %H:%M:%S")
    urls = {name: more.pop(name) for name in ("notify_url", "return_url") if name in more}
    biz = {"time_expire": expire, **more}
    subject = biz.pop("subject", "保温杯 a+b=c&d/e")
    query = box.merchant().api_alipay_trade_page_pay(subject, reference, amount, **urls, **biz)
    return f"{box.url}/alipay/gateway.do?{query}"


def open_cashier(box: Running, url: str) -> str:
    """What a browser does; returns the cashier's address."""
    answer = call("GET", url)
    assert answer.status == 303, answer.text
    address = box.url + answer.headers["location"]
    assert "立即付款" in call("GET", address).text
    return address


def received(httpserver: HTTPServer, path: str) -> list[dict[str, str]]:
    forms = [request.get_data().decode() for request, _ in httpserver.log if request.path == path]
    return [dict(parse_qsl(form, keep_blank_values=True, strict_parsing=True)) for form in forms]


def check_signature(box: Running, fields: dict[str, str]) -> None:
    """By cryptography alone: all fields but sign and sign_type, sorted. Raises InvalidSignature."""
    content = "&".join(f"{key}={fields[key]}" for key in sorted(fields) if key not in ("sign", "sign_type"))
    key = serialization.load_pem_public_key(box.alipay_public_pem())
    assert isinstance(key, RSAPublicKey)
    key.verify(base64.b64decode(fields["sign"]), content.encode(), PKCS1v15(), SHA256())


def listen(httpserver: HTTPServer, path: str, *, answer: str = "success") -> str:
    httpserver.expect_request(path, method="POST").respond_with_data(answer, content_type="text/plain")
    return str(httpserver.url_for(path))


def error_of(box: Running, call_it: Any) -> tuple[str, str]:
    node = call_it()
    return node["code"], node["sub_code"]


def test_from_the_cashier_to_the_notification(box: Running, httpserver: HTTPServer) -> None:
    notify = listen(httpserver, "/n/first")
    url = pay_url(box, "FIRST000000000001", notify_url=notify, return_url="http://shop.test/back?a=1")
    cashier = open_cashier(box, url)
    paid = call("POST", f"{cashier}/pay")
    assert paid.status == 303
    assert paid.headers["location"].startswith("http://shop.test/back?a=1&")
    back = {key: values[0] for key, values in parse_qs(urlsplit(paid.headers["location"]).query).items()}
    assert back.pop("a") == "1"
    assert (back["out_trade_no"], back["method"]) == ("FIRST000000000001", "alipay.trade.page.pay.return")
    check_signature(box, back)

    wait_for(lambda: received(httpserver, "/n/first"))
    (fields,) = received(httpserver, "/n/first")
    check_signature(box, fields)
    assert box.merchant().verify({k: v for k, v in fields.items() if k != "sign"}, fields["sign"])
    trade = box.trade("FIRST000000000001")
    day = datetime.now(BEIJING).strftime("%Y-%m-%d")
    assert all(fields[name].startswith(day) for name in ("gmt_create", "gmt_payment", "notify_time"))
    steady = {
        k: v
        for k, v in fields.items()
        if k not in ("sign", "notify_id", "gmt_create", "gmt_payment", "notify_time")
    }
    assert steady == {
        "notify_type": "trade_status_sync", "app_id": APP_ID, "auth_app_id": APP_ID, "seller_id": SELLER_ID,
        "charset": "utf-8", "version": "1.0", "sign_type": "RSA2", "trade_status": "TRADE_SUCCESS",
        "trade_no": trade["provider_reference"], "out_trade_no": "FIRST000000000001", "total_amount": "199.00",
        "receipt_amount": "199.00", "invoice_amount": "199.00", "buyer_pay_amount": "199.00", "point_amount": "0.00",
        "subject": "保温杯 a+b=c&d/e", "buyer_id": "2088102146225135",
        "fund_bill_list": '[{"amount":"199.00","fundChannel":"ALIPAYACCOUNT"}]',
    }  # fmt: skip
    wait_for(lambda: box.deliveries("FIRST000000000001")[0]["state"] == "done")


def test_trade_exists_once_the_cashier_is_open(box: Running) -> None:
    merchant, url = box.merchant(), pay_url(box, "VISIT000000000001")
    assert (
        merchant.api_alipay_trade_query(out_trade_no="VISIT000000000001")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    )
    assert (
        merchant.api_alipay_trade_close(out_trade_no="VISIT000000000001")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    )
    redirected = call("GET", url)
    assert (
        merchant.api_alipay_trade_query(out_trade_no="VISIT000000000001")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    )
    call("GET", box.url + redirected.headers["location"])
    answer = merchant.api_alipay_trade_query(out_trade_no="VISIT000000000001")
    assert answer["trade_status"] == "WAIT_BUYER_PAY"
    assert (answer["total_amount"], answer["receipt_amount"]) == ("199.00", "0.00")
    assert "send_pay_date" not in answer


def test_query_of_a_paid_trade_by_both_numbers(box: Running) -> None:
    merchant = box.merchant()
    box.control("pay", pay_url=pay_url(box, "QUERY000000000001"))
    answer = merchant.api_alipay_trade_query(out_trade_no="QUERY000000000001")
    assert (answer["code"], answer["trade_status"]) == ("10000", "TRADE_SUCCESS")
    assert answer["fund_bill_list"] == [{"amount": "199.00", "fund_channel": "ALIPAYACCOUNT"}]
    assert merchant.api_alipay_trade_query(out_trade_no="wrong", trade_no=answer["trade_no"]) == answer


def test_response_is_signed_over_its_raw_text(box: Running) -> None:
    query = box.merchant().sign_data(box.merchant().build_body("alipay.trade.query", {"out_trade_no": "a/b"}))
    raw = call("GET", f"{box.url}/alipay/gateway.do?{query}").text
    start, end = raw.index(":") + 1, raw.index(',"sign":"')
    key = serialization.load_pem_public_key(box.alipay_public_pem())
    assert isinstance(key, RSAPublicKey)
    key.verify(base64.b64decode(json.loads(raw)["sign"]), raw[start:end].encode(), PKCS1v15(), SHA256())


def test_closing_ends_the_trade_and_the_cashier(box: Running) -> None:
    merchant = box.merchant()
    cashier = open_cashier(box, pay_url(box, "CLOSE000000000001"))
    assert merchant.api_alipay_trade_close(out_trade_no="CLOSE000000000001")["code"] == "10000"
    assert merchant.api_alipay_trade_query(out_trade_no="CLOSE000000000001")["trade_status"] == "TRADE_CLOSED"
    assert (
        merchant.api_alipay_trade_close(out_trade_no="CLOSE000000000001")["sub_code"]
        == "ACQ.TRADE_STATUS_ERROR"
    )
    refused = call("POST", f"{cashier}/pay")
    assert refused.status == 409
    assert "订单已关闭" in refused.text
    assert box.trade("CLOSE000000000001")["paid_at"] is None


def test_a_paid_trade_cannot_be_closed(box: Running) -> None:
    box.control("pay", pay_url=pay_url(box, "CLOSE000000000002"))
    answer = box.merchant().api_alipay_trade_close(out_trade_no="CLOSE000000000002")
    assert (answer["code"], answer["sub_code"]) == ("40004", "ACQ.TRADE_HAS_SUCCESS")
    assert box.trade("CLOSE000000000002")["state"] == "paid"


def test_time_expire_is_honoured(box: Running) -> None:
    soon = (datetime.now(BEIJING) + timedelta(seconds=2)).strftime("%Y-%m-%d %H:%M:%S")
    url = pay_url(box, "EXPIRE00000000001", time_expire=soon)
    cashier = open_cashier(box, url)
    time.sleep(2.1)
    assert call("POST", f"{cashier}/pay").status == 409
    answer = box.merchant().api_alipay_trade_query(out_trade_no="EXPIRE00000000001")
    assert answer["trade_status"] == "TRADE_CLOSED"
    late = call("GET", url)
    assert late.status == 400
    assert "ACQ.TRADE_HAS_CLOSE" in late.text
    wait_for(lambda: box.trade("EXPIRE00000000001")["state"] == "closed")
    assert box.deliveries("EXPIRE00000000001") == []


def test_partial_then_full_refund(box: Running, httpserver: HTTPServer) -> None:
    merchant, notify = box.merchant(), listen(httpserver, "/n/refund")
    box.control("pay", pay_url=pay_url(box, "REFUND00000000001", notify_url=notify))
    wait_for(lambda: len(received(httpserver, "/n/refund")) == 1)

    part = merchant.api_alipay_trade_refund("50.00", out_trade_no="REFUND00000000001", out_request_no="R1")
    assert (part["fund_change"], part["refund_fee"], part["send_back_fee"]) == ("Y", "50.00", "50.00")
    again = merchant.api_alipay_trade_refund("50.00", out_trade_no="REFUND00000000001", out_request_no="R1")
    assert (again["code"], again["fund_change"], again["refund_fee"]) == ("10000", "N", "50.00")
    assert box.trade("REFUND00000000001")["refunded"] == "50.00"
    wait_for(lambda: len(received(httpserver, "/n/refund")) == 2)
    notification = received(httpserver, "/n/refund")[1]
    check_signature(box, notification)
    assert [notification[name] for name in ("trade_status", "refund_fee", "out_biz_no")] == [
        "TRADE_SUCCESS",
        "50.00",
        "R1",
    ]
    assert notification["gmt_refund"][19] == "."
    assert "gmt_close" not in notification

    rest = merchant.api_alipay_trade_refund("149.00", out_trade_no="REFUND00000000001", out_request_no="R2")
    assert (rest["refund_fee"], rest["send_back_fee"]) == ("199.00", "149.00")
    wait_for(lambda: len(received(httpserver, "/n/refund")) == 3)
    notification = received(httpserver, "/n/refund")[2]
    assert [notification[name] for name in ("trade_status", "refund_fee", "out_biz_no")] == [
        "TRADE_CLOSED",
        "199.00",
        "R2",
    ]
    assert notification["gmt_close"] == notification["gmt_refund"][:19]
    assert merchant.api_alipay_trade_query(out_trade_no="REFUND00000000001")["trade_status"] == "TRADE_CLOSED"


def test_refund_query_is_success_or_nothing(box: Running) -> None:
    merchant = box.merchant()
    box.control("pay", pay_url=pay_url(box, "REFUND00000000002"))
    merchant.api_alipay_trade_refund("1.00", out_trade_no="REFUND00000000002", out_request_no="R1")
    known = merchant.api_alipay_trade_fastpay_refund_query("R1", out_trade_no="REFUND00000000002")
    assert (known["refund_status"], known["refund_amount"], known["total_amount"]) == (
        "REFUND_SUCCESS",
        "1.00",
        "199.00",
    )
    unknown = merchant.api_alipay_trade_fastpay_refund_query("R9", out_trade_no="REFUND00000000002")
    assert unknown == {"code": "10000", "msg": "Success"}


@pytest.mark.parametrize(
    ("amount", "number", "sub_code"),
    [
        ("199.01", "R1", "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"),
        ("0.00", "R1", "ACQ.INVALID_PARAMETER"),
        ("1.001", "R1", "ACQ.INVALID_PARAMETER"),
        ("1.00", None, "ACQ.INVALID_PARAMETER"),
    ],
)
def test_refused_refunds_change_nothing(box: Running, amount: str, number: str | None, sub_code: str) -> None:
    reference = f"REFUSE{amount.replace('.', '')}{number}"
    box.control("pay", pay_url=pay_url(box, reference))
    more = {"out_request_no": number} if number else {}
    answer = box.merchant().api_alipay_trade_refund(amount, out_trade_no=reference, **more)
    assert (answer["code"], answer["sub_code"]) == ("40004", sub_code)
    assert (box.trade(reference)["state"], box.trade(reference)["refunded"]) == ("paid", "0.00")


def test_an_unpaid_trade_is_not_refunded(box: Running) -> None:
    open_cashier(box, pay_url(box, "REFUND00000000003"))
    answer = box.merchant().api_alipay_trade_refund(
        "1.00", out_trade_no="REFUND00000000003", out_request_no="R1"
    )
    assert answer["sub_code"] == "ACQ.TRADE_STATUS_ERROR"


def test_request_of_another_key_is_refused(box: Running) -> None:
    answer = box.merchant(new_key()).api_alipay_trade_query(out_trade_no="ANY")
    assert (answer["code"], answer["sub_code"]) == ("40002", "isv.invalid-signature")


def test_changed_page_pay_url_opens_nothing(box: Running) -> None:
    url = pay_url(box, "FORGED00000000001").replace("199.00", "099.00")
    answer = call("GET", url)
    assert answer.status == 400
    assert "isv.invalid-signature" in answer.text
    assert "FORGED00000000001" not in {trade["reference"] for trade in box.state["trades"]}


def test_unknown_app_gets_an_unsigned_error(box: Running) -> None:
    merchant = box.merchant(app_id="2021000000009999")
    query = merchant.sign_data(merchant.build_body("alipay.trade.query", {"out_trade_no": "ANY"}))
    body = call("GET", f"{box.url}/alipay/gateway.do?{query}").json
    assert list(body) == ["error_response"]
    assert body["error_response"]["sub_code"] == "isv.invalid-app-id"


def test_repeated_parameters_are_refused(box: Running) -> None:
    query = box.merchant().sign_data(box.merchant().build_body("alipay.trade.query", {"out_trade_no": "A"}))
    answer = call("POST", f"{box.url}/alipay/gateway.do?{query}", body=b"app_id=1")
    assert answer.json["error_response"]["sub_code"] == "isv.invalid-parameter"


def test_charset_counts_in_the_url_alone(box: Running) -> None:
    query = box.merchant().sign_data(box.merchant().build_body("alipay.trade.query", {"out_trade_no": "A"}))
    in_body = call("POST", f"{box.url}/alipay/gateway.do", body=query.encode())
    assert in_body.headers["content-type"] == "text/html;charset=GBK"
    error = json.loads(in_body.body.decode("gbk"))["error_response"]
    assert (error["code"], error["sub_code"]) == ("40002", "isv.invalid-signature")
    assert "请确认charset参数放在了URL查询字符串中" in error["sub_msg"]

    common = {name: value for name, value in parse_qsl(query) if name != "biz_content"}
    content = urlencode({"biz_content": dict(parse_qsl(query))["biz_content"]})
    url = f"{box.url}/alipay/gateway.do?{urlencode(common)}"
    answer = call("POST", url, body=content.encode()).json["alipay_trade_query_response"]
    assert answer["sub_code"] == "ACQ.TRADE_NOT_EXIST"


def test_gbk_fault_signs_what_it_sends(box: Running) -> None:
    box.control("faults", target="alipay.gateway", fault="gbk")
    query = box.merchant().sign_data(box.merchant().build_body("alipay.trade.query", {"out_trade_no": "A"}))
    answer = call("GET", f"{box.url}/alipay/gateway.do?{query}")
    assert answer.headers["content-type"] == "text/html;charset=gbk"
    raw = answer.body
    start, end = raw.index(b":") + 1, raw.index(b',"sign":"')
    assert json.loads(raw[start:end].decode("gbk"))["sub_msg"] == "交易不存在"
    key = serialization.load_pem_public_key(box.alipay_public_pem())
    assert isinstance(key, RSAPublicKey)
    key.verify(base64.b64decode(answer.json["sign"]), raw[start:end], PKCS1v15(), SHA256())


def test_a_gbk_merchant_is_notified_in_gbk(box: Running, httpserver: HTTPServer) -> None:
    merchant, notify = box.merchant(), listen(httpserver, "/n/gbk")
    body = merchant.build_body(
        "alipay.trade.page.pay",
        {"out_trade_no": "GBK0000000000001", "total_amount": "1.00", "subject": "保温杯",
         "product_code": "FAST_INSTANT_TRADE_PAY"},
        notify_url=notify,
    )  # fmt: skip
    body["charset"] = "gbk"
    fields = {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in body.items()}
    content = "&".join(f"{key}={fields[key]}" for key in sorted(fields)).encode("gbk")
    fields["sign"] = base64.b64encode(box.app_key.sign(content, PKCS1v15(), SHA256())).decode()
    opened = call("GET", f"{box.url}/alipay/gateway.do?{urlencode(fields, encoding='gbk')}")
    assert opened.status == 303
    call("POST", f"{box.url}{opened.headers['location']}/pay")
    wait_for(lambda: httpserver.log)
    ((request, _),) = httpserver.log
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded; charset=gbk"
    notification = dict(parse_qsl(request.get_data().decode(), encoding="gbk", errors="strict"))
    assert (notification["subject"], notification["charset"]) == ("保温杯", "gbk")


def test_fifty_parallel_queries(box: Running) -> None:
    box.control("pay", pay_url=pay_url(box, "PARALLEL000000001"))

    merchant = box.merchant()
    query = merchant.sign_data(
        merchant.build_body("alipay.trade.query", {"out_trade_no": "PARALLEL000000001"})
    )

    def poll(_: int) -> str:
        answer = call("GET", f"{box.url}/alipay/gateway.do?{query}")
        return str(answer.json["alipay_trade_query_response"]["trade_status"])

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(poll, range(200))) == ["TRADE_SUCCESS"] * 200


def test_signature_check_of_these_tests_refuses(box: Running) -> None:
    with pytest.raises(InvalidSignature):
        check_signature(box, {"a": "1", "sign": base64.b64encode(b"0" * 256).decode()})
