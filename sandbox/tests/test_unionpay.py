"""UnionPay from the merchant's side, its signatures made and checked by cryptography alone."""

import base64
import hashlib
import html
import io
import re
import time
import zipfile
import zlib
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from pytest_httpserver import HTTPServer

from sandbox.tests.nobody import nobody
from sandbox.tests.running import Reply, Running, call, wait_for
from sandbox.trading.bill_files import UNIONPAY_WIDTHS

CHINA = timezone(timedelta(hours=8))
TIME = datetime.now(CHINA).strftime("%Y%m%d%H%M%S")
Fields = dict[str, str]


@pytest.fixture(scope="module")
def account(box: Running) -> Any:
    return box.account("unionpay")


def digest(fields: Fields) -> bytes:
    text = "&".join(
        f"{name}={fields[name]}" for name in sorted(fields) if name != "signature" and fields[name]
    )
    return hashlib.sha256(text.encode()).hexdigest().encode()


def signed(account: Any, **more: str) -> Fields:
    key = serialization.load_pem_private_key(account["sign_key"].encode(), None)
    assert isinstance(key, RSAPrivateKey)
    own = x509.load_pem_x509_certificate(account["sign_cert"].encode())
    fields = {
        "version": "5.1.0", "encoding": "UTF-8", "signMethod": "01", "bizType": "000201", "accessType": "0",
        "merId": account["mer_id"], "certId": str(own.serial_number), "txnTime": TIME, **more,
    }  # fmt: skip
    fields["signature"] = base64.b64encode(key.sign(digest(fields), PKCS1v15(), SHA256())).decode()
    return fields


def check(account: Any, fields: Fields) -> None:
    """Up from the certificate in the message to the root of the account. Raises InvalidSignature."""
    sent = fields["signPubKeyCert"]
    assert sent.count("\r\n") == sent.count("\n") > 10
    signer = x509.load_pem_x509_certificate(sent.encode())
    middle, root = (
        x509.load_pem_x509_certificate(account[name].encode()) for name in ("middle_cert", "root_cert")
    )
    signer.verify_directly_issued_by(middle)
    middle.verify_directly_issued_by(root)
    assert "中国银联股份有限公司" in signer.subject.rfc4514_string()
    key = signer.public_key()
    assert isinstance(key, RSAPublicKey)
    key.verify(base64.b64decode(fields["signature"]), digest(fields), PKCS1v15(), SHA256())


def send(account: Any, name: str, **more: str) -> Fields:
    """A call and its raw answer, whose signature is checked."""
    body = urlencode(signed(account, **more)).encode()
    reply = call("POST", f"{account['gateway_url']}/{name}", body=body)
    assert reply.status == 200
    fields = dict(pair.split("=", 1) for pair in reply.text.split("&"))
    check(account, fields)
    return fields


def front(account: Any, reference: str, **more: str) -> Reply:
    fields = {
        "txnType": "01", "txnSubType": "01", "channelType": "07", "orderId": reference, "txnAmt": "9680",
        "currencyCode": "156", "backUrl": f"{nobody()}/notify", **more,
    }  # fmt: skip
    body = urlencode(signed(account, **fields)).encode()
    return call("POST", f"{account['gateway_url']}/frontTransReq.do", body=body)


def paid(box: Running, account: Any, reference: str, **more: str) -> str:
    """An order with the buyer's money; returns its queryId."""
    assert front(account, reference, **more).status == 303
    return str(box.control("pay", reference=reference).json["provider_reference"])


def query(account: Any, reference: str) -> Fields:
    return send(account, "queryTrans.do", txnType="00", txnSubType="00", orderId=reference)


def listen(httpserver: HTTPServer, path: str) -> str:
    httpserver.expect_request(path, method="POST").respond_with_data("ok")
    return str(httpserver.url_for(path))


def notifications(httpserver: HTTPServer, path: str) -> list[Fields]:
    forms = [one.get_data().decode() for one, _ in httpserver.log if one.path == path]
    return [dict(parse_qsl(form, strict_parsing=True)) for form in forms]


def test_from_the_form_to_the_notification(box: Running, account: Any, httpserver: HTTPServer) -> None:
    begun = front(
        account, "UPFIRST000000001", backUrl=listen(httpserver, "/u/first"), frontUrl="http://shop.test/back"
    )
    assert query(account, "UPFIRST000000001")["respCode"] == "34"
    cashier = box.url + begun.headers["location"]
    assert "立即付款" in call("GET", cashier).text
    assert query(account, "UPFIRST000000001")["origRespCode"] == "05"

    page = call("POST", f"{cashier}/pay").text
    assert 'method="post" action="http://shop.test/back"' in page
    back = {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', page)}
    check(account, back)
    wait_for(lambda: notifications(httpserver, "/u/first"))
    (fields,) = notifications(httpserver, "/u/first")
    check(account, fields)
    number = box.trade("UPFIRST000000001")["provider_reference"]
    wanted = {
        "txnType": "01", "respCode": "00", "orderId": "UPFIRST000000001", "txnAmt": "9680", "settleAmt": "9680",
        "currencyCode": "156", "merId": account["mer_id"], "txnTime": TIME, "queryId": number,
    }  # fmt: skip
    assert {name: fields[name] for name in wanted} == wanted
    answer = query(account, "UPFIRST000000001")
    assert (answer["respCode"], answer["origRespCode"], answer["txnAmt"]) == ("00", "00", "9680")
    assert answer["queryId"] == number


def test_another_signature_or_field_is_refused(box: Running, account: Any) -> None:
    fields = signed(account, txnType="00", txnSubType="00", orderId="UPFORGED00000001")
    body = urlencode({**fields, "orderId": "UPFORGED00000002"}).encode()
    answer = call("POST", f"{account['gateway_url']}/queryTrans.do", body=body)
    assert "respCode=11" in answer.text
    assert front(account, "UP-FORGED-1").status == 400
    with pytest.raises(InvalidSignature):
        check(account, {**query(account, "UPNOTHERE0000001"), "respCode": "00"})


def test_an_order_ends_by_its_time(box: Running, account: Any) -> None:
    soon = (datetime.now(CHINA) + timedelta(seconds=4)).strftime("%Y%m%d%H%M%S")
    begun = front(account, "UPEXPIRE00000001", payTimeout=soon)
    call("GET", box.url + begun.headers["location"])
    time.sleep(4.1)
    assert query(account, "UPEXPIRE00000001")["origRespCode"] == "01"
    assert box.control("pay", reference="UPEXPIRE00000001").json == {"error": "closed"}


def refund(account: Any, number: str, query_id: str, **more: str) -> Fields:
    fields = {"txnType": "04", "txnSubType": "00", "orderId": number, "origQryId": query_id, "txnAmt": "680"}
    return send(account, "backTransReq.do", **{**fields, **more})


def test_a_refund_is_a_transaction_of_its_own(box: Running, account: Any, httpserver: HTTPServer) -> None:
    number = paid(box, account, "UPREFUND00000001")
    taken = refund(account, "UPR0000000000001", number, backUrl=listen(httpserver, "/u/refund"))
    assert taken["respCode"] == "00"
    assert refund(account, "UPR0000000000001", number)["respCode"] == "12"
    wait_for(lambda: query(account, "UPR0000000000001")["origRespCode"] == "00")
    wait_for(lambda: notifications(httpserver, "/u/refund"))
    (fields,) = notifications(httpserver, "/u/refund")
    check(account, fields)
    assert (fields["txnType"], fields["txnAmt"], fields["origQryId"]) == ("04", "680", number)
    assert box.trade("UPREFUND00000001")["refunded"] == "6.80"
    assert refund(account, "UPR0000000000002", number, txnAmt="9001")["respCode"] == "36"


def test_failed_refund_is_only_queried(box: Running, account: Any) -> None:
    number = paid(box, account, "UPREFUND00000002")
    box.control("faults", target="unionpay.refund", fault="closed", value=1)
    assert refund(account, "UPR0000000000003", number)["respCode"] == "00"
    assert query(account, "UPR0000000000003")["origRespCode"] == "05"
    wait_for(lambda: query(account, "UPR0000000000003")["origRespCode"] == "01")
    assert box.trade("UPREFUND00000002")["refunded"] == "0.00"


def test_the_file_of_a_day(box: Running, account: Any) -> None:
    box.control("speed", bill_today=True)
    number = paid(box, account, "UPBILL0000000001")
    settled = query(account, "UPBILL0000000001")["settleDate"]
    fields = {"txnType": "76", "txnSubType": "01", "fileType": "00", "settleDate": settled}
    file = send(account, "fileTransfer.do", **fields)
    assert file["respCode"] == "00"
    archive = zipfile.ZipFile(io.BytesIO(zlib.decompress(base64.b64decode(file["fileContent"]))))
    (name,) = archive.namelist()
    rows = [line for line in archive.read(name).decode().splitlines() if "UPBILL0000000001" in line]
    starts = [sum(UNIONPAY_WIDTHS[:place]) + place for place in range(len(UNIONPAY_WIDTHS))]
    cells = [
        [row[start : start + width].strip() for start, width in zip(starts, UNIONPAY_WIDTHS, strict=True)]
        for row in rows
    ]
    assert [(row[0], row[6], row[9], row[11]) for row in cells] == [
        ("S22", "000000009680", number, "UPBILL0000000001")
    ]
    box.control("speed", bill_today=False)
    assert send(account, "fileTransfer.do", **fields)["respCode"] == "98"
