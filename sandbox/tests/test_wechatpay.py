"""WeChat Pay from the merchant's side: by the wechatpayv3 package, and by hand where the package signs no prefix."""

import base64
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_pem_x509_certificate
from pytest_httpserver import HTTPServer
from wechatpayv3 import WeChatPay, WeChatPayType

from sandbox.tests.nobody import nobody
from sandbox.tests.running import Reply, Running, call, wait_for

CHINA = timezone(timedelta(hours=8))


@pytest.fixture(scope="module")
def account(box: Running) -> Any:
    return box.account("wechatpay")


@pytest.fixture(scope="module")
def merchant(box: Running, account: Any) -> Iterator[Any]:
    """The independent program; it checks the signature of every answer."""
    (key_id,) = (name for name in account["platform_keys"] if name.startswith("PUB_KEY_ID_"))
    client = WeChatPay(
        wechatpay_type=WeChatPayType.NATIVE,
        mchid=account["mchid"],
        private_key=account["merchant_private_key"],
        cert_serial_no=account["merchant_serial"],
        appid=account["appid"],
        apiv3_key=account["api_v3_key"],
        public_key=account["platform_keys"][key_id],
        public_key_id=key_id,
        timeout=(5, 10),
    )
    client._core._gate_way = box.url
    return client


def ordered(merchant: Any, reference: str, *, notify: str = f"{nobody()}/notify", fen: int = 9680) -> str:
    status, text = merchant.pay(
        description="保温杯 500 ml", out_trade_no=reference, amount={"total": fen}, notify_url=notify
    )
    assert status == 200, text
    return str(json.loads(text)["code_url"])


def answer(pair: tuple[int, str]) -> tuple[int, Any]:
    return pair[0], json.loads(pair[1]) if pair[1] else None


def by_hand(account: Any, method: str, url: str, *, content: bytes = b"", late: int = 0) -> Reply:
    """Signed with cryptography alone, over the whole path as sent."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    moment, nonce = str(int(time.time()) - late), "0123456789ABCDEF"
    key = serialization.load_pem_private_key(account["merchant_private_key"].encode(), None)
    assert isinstance(key, RSAPrivateKey)
    message = f"{method}\n{target}\n{moment}\n{nonce}\n".encode() + content + b"\n"
    sign = base64.b64encode(key.sign(message, PKCS1v15(), SHA256())).decode()
    line = (
        f'WECHATPAY2-SHA256-RSA2048 serial_no="{account["merchant_serial"]}",timestamp="{moment}",'
        f'nonce_str="{nonce}",signature="{sign}",mchid="{account["mchid"]}"'
    )
    headers = {"Authorization": line, "Accept": "application/json", "User-Agent": "test"}
    return call(method, url, body=content, headers=headers)


def check(account: Any, headers: Mapping[str, str], body: bytes) -> None:
    """By cryptography alone, with the key that the serial names. Raises InvalidSignature."""
    lowered = {name.lower(): value for name, value in headers.items()}
    pem = account["platform_keys"][lowered["wechatpay-serial"]].encode()
    key = (
        load_pem_x509_certificate(pem).public_key()
        if b"CERTIFICATE" in pem
        else serialization.load_pem_public_key(pem)
    )
    assert isinstance(key, RSAPublicKey)
    message = f"{lowered['wechatpay-timestamp']}\n{lowered['wechatpay-nonce']}\n".encode() + body + b"\n"
    key.verify(base64.b64decode(lowered["wechatpay-signature"]), message, PKCS1v15(), SHA256())


def opened(account: Any, body: bytes) -> Any:
    """What is inside of a notification."""
    resource = json.loads(body)["resource"]
    box = AESGCM(account["api_v3_key"].encode())
    cipher = base64.b64decode(resource["ciphertext"])
    plain = box.decrypt(resource["nonce"].encode(), cipher, resource["associated_data"].encode())
    return json.loads(plain)


def listen(httpserver: HTTPServer, path: str, *, status: int = 204) -> str:
    httpserver.expect_request(path, method="POST").respond_with_data("", status=status)
    return str(httpserver.url_for(path))


def notifications(httpserver: HTTPServer, path: str) -> list[tuple[dict[str, str], bytes]]:
    return [(dict(one.headers), one.get_data()) for one, _ in httpserver.log if one.path == path]


def test_from_the_code_to_the_notification(
    box: Running, account: Any, merchant: Any, httpserver: HTTPServer
) -> None:
    code_url = ordered(merchant, "WXFIRST000000001", notify=listen(httpserver, "/x/first"))
    assert answer(merchant.query(out_trade_no="WXFIRST000000001"))[1]["trade_state"] == "NOTPAY"
    assert "立即付款" in call("GET", code_url).text
    assert "支付成功" in call("POST", f"{code_url}/pay").text
    wait_for(lambda: notifications(httpserver, "/x/first"))
    ((headers, body),) = notifications(httpserver, "/x/first")
    check(account, headers, body)
    assert headers["Wechatpay-Serial"].startswith("PUB_KEY_ID_")
    event = merchant.callback(headers, body)
    assert (event["event_type"], event["resource"]["trade_state"]) == ("TRANSACTION.SUCCESS", "SUCCESS")
    inside = opened(account, body)
    assert inside["amount"] == {
        "total": 9680,
        "payer_total": 9680,
        "currency": "CNY",
        "payer_currency": "CNY",
    }
    assert (inside["mchid"], inside["appid"]) == (account["mchid"], account["appid"])
    number = box.trade("WXFIRST000000001")["provider_reference"]
    assert inside["transaction_id"] == number
    assert answer(merchant.query(transaction_id=number))[1]["out_trade_no"] == "WXFIRST000000001"


def test_an_order_is_taken_once(merchant: Any) -> None:
    assert ordered(merchant, "WXTWICE000000001") == ordered(merchant, "WXTWICE000000001")
    status, content = answer(
        merchant.pay(
            description="保温杯", out_trade_no="WXTWICE000000001", amount={"total": 1},
            notify_url=f"{nobody()}/notify",
        )
    )  # fmt: skip
    assert (status, content["code"]) == (400, "INVALID_REQUEST")


def test_jsapi_gives_a_prepay_id(box: Running, merchant: Any) -> None:
    status, content = answer(
        merchant.pay(
            description="保温杯", out_trade_no="WXJSAPI000000001", amount={"total": 1}, payer={"openid": "oABC"},
            notify_url=f"{nobody()}/notify", pay_type=WeChatPayType.JSAPI,
        )
    )  # fmt: skip
    assert (status, content["prepay_id"][:2]) == (200, "wx")
    assert box.trade("WXJSAPI000000001")["state"] == "waiting"


def test_closing(box: Running, merchant: Any) -> None:
    ordered(merchant, "WXCLOSE000000001")
    assert merchant.close("WXCLOSE000000001")[0] == 204
    assert answer(merchant.query(out_trade_no="WXCLOSE000000001"))[1]["trade_state"] == "CLOSED"
    box.control("pay", code_url=ordered(merchant, "WXCLOSE000000002"))
    assert answer(merchant.close("WXCLOSE000000002"))[1]["code"] == "ORDERPAID"
    assert answer(merchant.query(out_trade_no="WXNOTHERE0000001"))[1]["code"] == "ORDER_NOT_EXIST"


def test_the_signed_path_has_the_prefix(box: Running, account: Any, merchant: Any) -> None:
    ordered(merchant, "WXPREFIX00000001")
    url = (
        f"{account['gateway_url']}/v3/pay/transactions/out-trade-no/WXPREFIX00000001?mchid={account['mchid']}"
    )
    good = by_hand(account, "GET", url)
    assert (good.status, good.json["trade_state"]) == (200, "NOTPAY")
    check(account, good.headers, good.body)
    with pytest.raises(InvalidSignature):
        check(account, good.headers, good.body + b" ")


# A call dated ahead comes nearer while it travels: ten seconds of room on a loaded machine.
@pytest.mark.parametrize("late", [301, -310])
def test_a_stale_call_is_refused(account: Any, late: int) -> None:
    url = f"{account['gateway_url']}/v3/certificates"
    refused = by_hand(account, "GET", url, late=late)
    assert (refused.status, refused.json["code"]) == (401, "SIGN_ERROR")


def test_changed_body_is_refused(box: Running, account: Any) -> None:
    url = f"{account['gateway_url']}/v3/pay/transactions/native"
    good = by_hand(account, "POST", url, content=b"{}")
    assert (good.status, good.json["code"]) == (400, "PARAM_ERROR")
    # The same headers are spent on other bytes.
    key = {"Accept": "application/json", "User-Agent": "test", "Authorization": "WECHATPAY2-SHA256-RSA2048 a"}
    assert call("POST", url, body=b"{} ", headers=key).json["code"] == "SIGN_ERROR"


def test_certificates_are_encrypted(account: Any) -> None:
    (entry,) = by_hand(account, "GET", f"{account['gateway_url']}/v3/certificates").json["data"]
    sealed = entry["encrypt_certificate"]
    plain = AESGCM(account["api_v3_key"].encode()).decrypt(
        sealed["nonce"].encode(), base64.b64decode(sealed["ciphertext"]), sealed["associated_data"].encode()
    )
    assert plain.decode() == account["platform_keys"][entry["serial_no"]]


def paid(box: Running, merchant: Any, reference: str, **more: Any) -> None:
    assert box.control("pay", code_url=ordered(merchant, reference, **more)).status == 200


def refund(
    merchant: Any, reference: str, number: str, *, fen: int = 680, notify: str = ""
) -> tuple[int, Any]:
    amount = {"refund": fen, "total": 9680, "currency": "CNY"}
    more = {"notify_url": notify} if notify else {}
    return answer(merchant.refund(out_refund_no=number, out_trade_no=reference, amount=amount, **more))


def test_refund_is_accepted_done_and_notified(
    box: Running, account: Any, merchant: Any, httpserver: HTTPServer
) -> None:
    paid(box, merchant, "WXREFUND00000001")
    notify = listen(httpserver, "/x/refund")
    status, first = refund(merchant, "WXREFUND00000001", "RA1", notify=notify)
    assert (status, first["status"], first["amount"]["refund"]) == (200, "PROCESSING", 680)
    wait_for(lambda: answer(merchant.query_refund("RA1"))[1]["status"] == "SUCCESS")
    again = refund(merchant, "WXREFUND00000001", "RA1", notify=notify)[1]
    assert (again["status"], again["refund_id"]) == ("SUCCESS", first["refund_id"])
    wait_for(lambda: notifications(httpserver, "/x/refund"))
    headers, body = notifications(httpserver, "/x/refund")[0]
    check(account, headers, body)
    assert json.loads(body)["event_type"] == "REFUND.SUCCESS"
    inside = opened(account, body)
    assert (inside["refund_status"], inside["out_refund_no"]) == ("SUCCESS", "RA1")
    assert inside["amount"] == {"total": 9680, "refund": 680, "payer_total": 9680, "payer_refund": 680}
    assert answer(merchant.query(out_trade_no="WXREFUND00000001"))[1]["trade_state"] == "REFUND"
    assert box.trade("WXREFUND00000001")["refunded"] == "6.80"
    assert refund(merchant, "WXREFUND00000001", "RA2", fen=9001)[1]["code"] == "NOT_ENOUGH"


@pytest.mark.parametrize("name", ["abnormal", "closed"])
def test_a_refund_that_goes_wrong(
    box: Running, account: Any, merchant: Any, httpserver: HTTPServer, name: str
) -> None:
    reference, number, status = f"WXBAD{name.upper():0>11}", f"RB{name}", name.upper()
    paid(box, merchant, reference)
    box.control("faults", target="wechatpay.refund", fault=name, value=0.1)
    assert (
        refund(merchant, reference, number, notify=listen(httpserver, f"/x/{name}"))[1]["status"]
        == "PROCESSING"
    )
    wait_for(lambda: notifications(httpserver, f"/x/{name}"))
    _headers, body = notifications(httpserver, f"/x/{name}")[0]
    assert (json.loads(body)["event_type"], opened(account, body)["refund_status"]) == (
        f"REFUND.{status}",
        status,
    )
    assert box.trade(reference)["refunded"] == "0.00"
    ended = box.control("settle_refund", refund_reference=number, state="succeeded")
    assert ended.status == (200 if name == "abnormal" else 409)


def test_lost_response_of_an_accepted_refund(box: Running, account: Any, merchant: Any) -> None:
    paid(box, merchant, "WXLOST0000000001")
    box.control("faults", target="wechatpay.refund", fault="lost_answer")
    with pytest.raises(OSError, match=r"Connection aborted"):
        refund(merchant, "WXLOST0000000001", "RLOST1")
    assert answer(merchant.query_refund("RLOST1"))[1]["amount"]["refund"] == 680


def test_faults_of_the_notification(
    box: Running, account: Any, merchant: Any, httpserver: HTTPServer
) -> None:
    """A probe is signed wrongly and comes again rightly; a certificate's serial stands for another key."""
    httpserver.expect_request("/x/probe", method="POST").respond_with_data("", status=401)
    for name in ("signature_probe", "certificate_serial"):
        box.control("faults", target="wechatpay.notify", fault=name)
        wanted = len(notifications(httpserver, "/x/probe")) + 1
        paid(box, merchant, f"WXFAULT{name[:4].upper()}00001", notify=str(httpserver.url_for("/x/probe")))
        wait_for(lambda wanted=wanted: len(notifications(httpserver, "/x/probe")) >= wanted)  # type: ignore[misc]
    probe = [
        one for one in notifications(httpserver, "/x/probe") if "SIGNTEST" in one[0]["Wechatpay-Signature"]
    ]
    assert [one[0]["Wechatpay-Signature"][:19] for one in probe] == ["WECHATPAY/SIGNTEST/"]
    first = [
        one
        for one in notifications(httpserver, "/x/probe")
        if json.loads(one[1])["id"] == json.loads(probe[0][1])["id"]
    ]
    wait_for(lambda: len(notifications(httpserver, "/x/probe")) > len(first))
    by_certificate = [
        one for one in notifications(httpserver, "/x/probe") if "PUB" not in one[0]["Wechatpay-Serial"]
    ]
    assert by_certificate
    check(account, *by_certificate[0])


def test_the_bill_of_a_day(box: Running, account: Any, merchant: Any) -> None:
    day = datetime.now(UTC).astimezone(CHINA).strftime("%Y-%m-%d")
    url = f"{account['gateway_url']}/v3/bill/tradebill?bill_date={day}&bill_type=ALL"
    assert by_hand(account, "GET", url).json["code"] == "STATEMENT_CREATING"
    box.control("speed", bill_today=True)
    paid(box, merchant, "WXBILL0000000001")
    # The bill lists refunds too: none may end between the offer and the download.
    wait_for(lambda: all(refund["state"] != "processing" for refund in box.state["refunds"]))

    content = by_hand(account, "GET", url).json
    file = by_hand(account, "GET", content["download_url"])
    assert hashlib.sha1(file.body).hexdigest() == content["hash_value"]
    assert "wechatpay-signature" not in file.headers
    assert file.body.startswith(b"\xef\xbb\xbf")
    lines = file.body.decode("utf-8-sig").split("\r\n")
    rows = [line[1:].split(",`") for line in lines if "`WXBILL0000000001" in line]
    assert [(len(row), row[6], row[24]) for row in rows] == [(27, "WXBILL0000000001", "96.80")]
    assert (lines[-3].split(",")[0], lines[-1]) == ("总交易单数", "")
    empty = url.replace(day, "2026-01-01")
    assert by_hand(account, "GET", empty).json["code"] == "NO_STATEMENT_EXIST"
    box.control("speed", bill_today=False)
