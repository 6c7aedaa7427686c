"""The vendors of text messages, each call signed by a program of the test's own; their limits and delivery reports."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import quote

import pytest

from sandbox.messaging.templates import in_positions, positions_of
from sandbox.tests.running import Reply, Running, call, wait_for

PHONE = "13800138000"
PARAMS = {"order_number": "A1", "amount": "9.00", "link": "https://shop.example/x"}


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def aliyun(
    box: Running, *, secret: str = "SANDBOXALIYUNSECRET", at: float = 0, nonce: str = "", **changes: str
) -> Reply:
    """SendSms as a form in the query."""
    fields = {
        "PhoneNumbers": PHONE, "SignName": "演示商店", "TemplateCode": "SMS_261100001", "OutId": "k1",
        "TemplateParam": json.dumps(PARAMS), **changes,
    }  # fmt: skip
    query = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(fields.items()))
    headers = {
        "host": box.url.removeprefix("http://"), "x-acs-action": "SendSms", "x-acs-content-sha256": sha(b""),
        "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + at)),
        "x-acs-signature-nonce": nonce or str(time.time_ns()), "x-acs-version": "2017-05-25",
    }  # fmt: skip
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"POST\n/aliyun_sms/\n{query}\n{lines}\n{names}\n{sha(b'')}"
    text = f"ACS3-HMAC-SHA256\n{sha(canonical.encode())}"
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (
        f"ACS3-HMAC-SHA256 Credential=SANDBOXALIYUNID,SignedHeaders={names},Signature={signature}"
    )
    return call("POST", f"{box.url}/aliyun_sms/?{query}", headers=headers)


def tencent(box: Running, *, secret: str = "SANDBOXTENCENTSECRET", at: float = 0, **changes: object) -> Any:
    """SendSms; returns the number's status, or the error of the call."""
    body = json.dumps({
        "PhoneNumberSet": [f"+86{PHONE}"], "SmsSdkAppId": "1400000001", "SignName": "演示商店", "TemplateId": "2611001",
        "TemplateParamSet": list(PARAMS.values()), "SessionContext": "k1", **changes,
    }).encode()  # fmt: skip
    stamp = int(time.time() + at)
    day, host = time.strftime("%Y-%m-%d", time.gmtime(stamp)), box.url.removeprefix("http://")
    lines = f"content-type:application/json\nhost:{host}\n"
    canonical = f"POST\n/tencent_sms/\n\n{lines}\ncontent-type;host\n{sha(body)}"
    text = f"TC3-HMAC-SHA256\n{stamp}\n{day}/sms/tc3_request\n{sha(canonical.encode())}"
    key = f"TC3{secret}".encode()
    for part in (day, "sms", "tc3_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    headers = {
        "content-type": "application/json", "x-tc-action": "SendSms", "x-tc-version": "2021-01-11",
        "x-tc-timestamp": str(stamp),
        "authorization": f"TC3-HMAC-SHA256 Credential=SANDBOXTENCENTID/{day}/sms/tc3_request, "
        f"SignedHeaders=content-type;host, Signature={key.hex()}",
    }  # fmt: skip
    reply = call("POST", f"{box.url}/tencent_sms/", body=body, headers=headers).json["Response"]
    return reply.get("Error") or reply["SendStatusSet"][0]


@pytest.fixture
def shop() -> Iterator[tuple[str, list[bytes]]]:
    """A shop that takes every delivery report; its address, and the bodies it got."""
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"code": 0, "result": 0}')

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is logged."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", got
    server.shutdown()
    server.server_close()


def test_aliyun_takes_what_is_rightly_signed(box: Running) -> None:
    answer = aliyun(box).json
    assert (answer["Code"], len(box.inbox(PHONE))) == ("OK", 1)
    assert box.inbox(PHONE)[0]["vendor_id"] == answer["BizId"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret": "x"}, "SignatureDoesNotMatch"),
        ({"at": -1000}, "InvalidTimeStamp.Expired"),
        ({"SignName": "别的店"}, "isv.SMS_SIGNATURE_ILLEGAL"),
        ({"TemplateCode": "SMS_1"}, "isv.SMS_TEMPLATE_ILLEGAL"),
        ({"TemplateParam": "{}"}, "isv.TEMPLATE_MISSING_PARAMETERS"),
        ({"TemplateParam": "x"}, "isv.INVALID_JSON_PARAM"),
        ({"PhoneNumbers": "1"}, "isv.MOBILE_NUMBER_ILLEGAL"),
    ],
)
def test_aliyun_refuses(box: Running, changes: Any, code: str) -> None:
    assert aliyun(box, **changes).json["Code"] == code
    assert box.inbox() == []


def test_aliyun_takes_a_nonce_once(box: Running) -> None:
    assert aliyun(box, nonce="n1").json["Code"] == "OK"
    assert aliyun(box, nonce="n1").json["Code"] == "SignatureNonceUsed"


def test_tencent_takes_one_in_half_a_minute(box: Running) -> None:
    assert tencent(box)["Code"] == "Ok"
    assert tencent(box)["Code"] == "LimitExceeded.PhoneNumberThirtySecondLimit"
    box.control("speed", message_limits=False)
    assert tencent(box)["Code"] == "Ok"
    box.control("speed", message_limits=True)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret": "x"}, "AuthFailure.SignatureFailure"),
        ({"at": -400}, "AuthFailure.SignatureExpire"),
        ({"SmsSdkAppId": "1"}, "InvalidParameterValue.SdkAppIdNotExist"),
        ({"SignName": "别的店"}, "FailedOperation.SignatureIncorrectOrUnapproved"),
        ({"TemplateId": "1"}, "FailedOperation.TemplateIncorrectOrUnapproved"),
        ({"TemplateParamSet": []}, "FailedOperation.TemplateParamSetNotMatchApprovedTemplate"),
        ({"PhoneNumberSet": ["+861"]}, "InvalidParameterValue.IncorrectPhoneNumber"),
    ],
)
def test_tencent_refuses(box: Running, changes: Any, code: str) -> None:
    assert tencent(box, **changes)["Code"] == code
    assert box.inbox() == []


def test_templates_in_both_forms() -> None:
    assert in_positions("${b}和${a}，${b}") == "{1}和{2}，{1}"
    assert positions_of("{1}和{2}，{1}") == 2


def test_a_template_that_was_added(box: Running) -> None:
    box.control("message_template", channel="aliyun_sms", template="SMS_9", text="你好${name}")
    assert aliyun(box, TemplateCode="SMS_9", TemplateParam='{"name": "王"}').json["Code"] == "OK"
    assert box.inbox(PHONE)[0]["text"] == "【演示商店】你好王"


@pytest.mark.parametrize("channel", ["aliyun_sms", "tencent_sms"])
def test_reports_until_they_are_taken(box: Running, shop: tuple[str, list[bytes]], channel: str) -> None:
    address, got = shop
    box.control("faults", target="message.report", fault="drop")
    box.control("report_address", channel=channel, url=address)
    if channel == "aliyun_sms":
        aliyun(box)
    else:
        tencent(box)
    (row,) = json.loads(wait_for(lambda: got)[0])
    assert row["biz_id" if channel == "aliyun_sms" else "sid"] == box.inbox(PHONE)[0]["vendor_id"]
    assert row.get("success", row.get("report_status")) in (True, "SUCCESS")
    wait_for(lambda: box.inbox(PHONE)[0]["report"] == "done")
    box.control("report_address", channel=channel, url="")
