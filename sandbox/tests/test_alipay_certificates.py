"""Alipay's certificate mode by an independent program (python-alipay-sdk), and refunds that take their time."""

import base64
from typing import Any

import pytest
from alipay import DCAliPay
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from pytest_httpserver import HTTPServer

from sandbox.tests.running import Running, call, wait_for
from sandbox.tests.test_alipay import listen, open_cashier, pay_url, received

pytestmark = pytest.mark.filterwarnings("ignore:X509.get_issuer:DeprecationWarning")


@pytest.fixture(scope="module")
def account(box: Running) -> Any:
    return box.account("alipay_cert")


@pytest.fixture(scope="module")
def merchant(box: Running, account: Any) -> Any:
    client = DCAliPay(
        appid=account["app_id"],
        app_private_key_string=account["app_private_key"],
        app_public_key_cert_string=account["app_cert"],
        alipay_public_key_cert_string=account["alipay_cert"].partition("\n-----BEGIN")[0],
        alipay_root_cert_string=account["alipay_root_cert"],
    )
    client._gateway = account["gateway_url"]
    return client


def page_pay(box: Running, merchant: Any, reference: str, *, notify: str) -> str:
    query = merchant.api_alipay_trade_page_pay("保温杯", reference, "9.90", notify_url=notify)
    return f"{box.url}/alipay/gateway.do?{query}"


def test_payment_in_certificate_mode(
    box: Running, account: Any, merchant: Any, httpserver: HTTPServer
) -> None:
    url = page_pay(box, merchant, "CERT000000000001", notify=listen(httpserver, "/d/cert"))
    call("POST", f"{open_cashier(box, url)}/pay")
    wait_for(lambda: received(httpserver, "/d/cert"))
    (fields,) = received(httpserver, "/d/cert")
    assert (fields["app_id"], fields["seller_id"]) == (account["app_id"], account["seller_id"])
    certificates = x509.load_pem_x509_certificates(account["alipay_cert"].encode())
    certificates[0].verify_directly_issued_by(certificates[1])
    key = certificates[0].public_key()
    assert isinstance(key, RSAPublicKey)
    left_out = ("sign", "sign_type", "alipay_cert_sn")
    content = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name not in left_out)
    key.verify(base64.b64decode(fields["sign"]), content.encode(), PKCS1v15(), SHA256())
    # The program checks the answer's signature.
    assert merchant.api_alipay_trade_query(out_trade_no="CERT000000000001")["trade_status"] == "TRADE_SUCCESS"


def test_wrong_certificate_numbers_are_refused(box: Running, merchant: Any) -> None:
    body = merchant.build_body("alipay.trade.query", {"out_trade_no": "A"})
    for name in ("app_cert_sn", "alipay_root_cert_sn"):
        answer = call(
            "GET", f"{box.url}/alipay/gateway.do?{merchant.sign_data({**body, name: 'f' * 32})}"
        ).json
        assert answer["alipay_trade_query_response"]["sub_code"].startswith("isv.invalid-a")


def test_successor_can_be_downloaded(box: Running, account: Any, merchant: Any) -> None:
    number = box.control("rotate").json["alipay_cert_sn"]
    body = merchant.build_body("alipay.open.app.alipaycert.download", {"alipay_cert_sn": number})
    response = call("GET", f"{box.url}/alipay/gateway.do?{merchant.sign_data(body)}").json
    assert response["alipay_cert_sn"] == number
    node = response["alipay_open_app_alipaycert_download_response"]
    chain = x509.load_pem_x509_certificates(base64.b64decode(node["alipay_cert_content"]))
    old = x509.load_pem_x509_certificates(account["alipay_cert"].encode())
    chain[0].verify_directly_issued_by(old[1])
    assert chain[0].serial_number != old[0].serial_number
    assert chain[0].subject == old[0].subject


def refund(box: Running, reference: str, amount: str = "50.00") -> Any:
    return box.merchant().api_alipay_trade_refund(amount, out_trade_no=reference, out_request_no="R1")


def refund_state(box: Running, reference: str) -> Any:
    return box.merchant().api_alipay_trade_fastpay_refund_query("R1", out_trade_no=reference)


def test_a_refund_that_takes_its_time(box: Running) -> None:
    box.control("pay", pay_url=pay_url(box, "SLOW000000000001"))
    box.control("faults", target="alipay.refund", fault="processing", value=0.5)
    first = refund(box, "SLOW000000000001")
    assert (first["fund_change"], first["refund_fee"]) == ("N", "0.00")
    assert refund_state(box, "SLOW000000000001")["refund_status"] == "REFUND_PROCESSING"
    wait_for(lambda: refund_state(box, "SLOW000000000001")["refund_status"] == "REFUND_SUCCESS")
    assert refund(box, "SLOW000000000001")["fund_change"] == "N"
    assert box.trade("SLOW000000000001")["refunded"] == "50.00"


def test_refund_with_a_lost_response(box: Running) -> None:
    box.control("pay", pay_url=pay_url(box, "LOST000000000001"))
    box.control("faults", target="alipay.refund", fault="lost_answer")
    with pytest.raises(OSError, match="closed connection"):
        refund(box, "LOST000000000001")
    assert refund_state(box, "LOST000000000001")["refund_status"] == "REFUND_SUCCESS"


def test_a_refused_refund_leaves_nothing(box: Running) -> None:
    box.control("pay", pay_url=pay_url(box, "POOR000000000001"))
    box.control("faults", target="alipay.refund", fault="closed")
    assert refund(box, "POOR000000000001")["sub_code"] == "ACQ.SELLER_BALANCE_NOT_ENOUGH"
    assert refund_state(box, "POOR000000000001") == {"code": "10000", "msg": "Success"}


def test_reversal_is_not_notified(box: Running, httpserver: HTTPServer) -> None:
    notify = listen(httpserver, "/d/reverse")
    box.control("pay", pay_url=pay_url(box, "BACK000000000001", notify_url=notify))
    wait_for(lambda: len(received(httpserver, "/d/reverse")) == 1)
    assert box.control("reverse", reference="BACK000000000001").json["state"] == "reversed"
    answer = box.merchant().api_alipay_trade_query(out_trade_no="BACK000000000001")
    assert (answer["trade_status"], "send_pay_date" in answer) == ("TRADE_CLOSED", False)
    assert box.control("reverse", reference="BACK000000000001").json == {"error": "not_paid"}
    assert refund(box, "BACK000000000001")["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
    assert len(received(httpserver, "/d/reverse")) == 1
