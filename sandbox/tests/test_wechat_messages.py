"""WeChat's messages and tokens, robots of group chats, the mail server, and the page of what people got."""

import base64
import hashlib
import hmac
import json
import smtplib
import time
from typing import Any
from urllib.parse import quote

import pytest

from sandbox.tests.running import Running, call

READER, TEMPLATE = "oReader", "TPL-order-created"
DATA = {
    name: {"value": value}
    for name, value in (("character_string1", "A1"), ("amount2", "9"), ("thing3", "杯子"))
}
ACCOUNT = {
    "grant_type": "client_credential",
    "appid": "wx0123456789abcdef",
    "secret": "SANDBOXWECHATSECRET00000000000000",
}


def post(box: Running, path: str, body: object) -> Any:
    return call("POST", f"{box.url}{path}", body=json.dumps(body).encode()).json


def token(box: Running, **changes: object) -> str:
    return str(post(box, "/wechat/cgi-bin/stable_token", {**ACCOUNT, **changes})["access_token"])


def template(box: Running, value: str, **changes: object) -> Any:
    body = {
        "touser": READER,
        "template_id": TEMPLATE,
        "url": "https://shop.example/x",
        "data": DATA,
        **changes,
    }
    return post(box, f"/wechat/cgi-bin/message/template/send?access_token={value}", body)


def subscription(box: Running, value: str) -> Any:
    body = {"touser": READER, "template_id": TEMPLATE, "page": "", "data": DATA}
    return post(box, f"/wechat/cgi-bin/message/subscribe/bizsend?access_token={value}", body)


def test_stable_token_stays_until_it_is_forced(box: Running) -> None:
    first = token(box)
    assert token(box) == first
    forced = token(box, force_refresh=True)
    assert forced != first
    assert template(box, first)["errcode"] == 40001
    assert template(box, forced)["errcode"] == 0


def test_plain_token_ends_the_one_before(box: Running) -> None:
    query = "&".join(f"{name}={value}" for name, value in ACCOUNT.items())
    first, second = (
        call("GET", f"{box.url}/wechat/cgi-bin/token?{query}").json["access_token"] for _ in range(2)
    )
    assert template(box, first)["errcode"] == 40001
    assert template(box, second)["errcode"] == 0


def test_token_ends_by_itself(box: Running) -> None:
    box.control("wechat_token", seconds=0.05)
    value = token(box)
    time.sleep(0.1)
    assert template(box, value)["errcode"] == 42001
    box.control("wechat_token", seconds=7200)


@pytest.mark.parametrize(
    ("changes", "code"), [({"appid": "wx"}, 40013), ({"secret": "x"}, 40125), ({"grant_type": ""}, 40002)]
)
def test_token_is_refused(box: Running, changes: dict[str, str], code: int) -> None:
    assert post(box, "/wechat/cgi-bin/stable_token", {**ACCOUNT, **changes})["errcode"] == code


def test_same_client_msg_id_is_one_message(box: Running) -> None:
    value = token(box)
    first, again = (template(box, value, client_msg_id="m1")["msgid"] for _ in range(2))
    assert first == again
    assert template(box, value, client_msg_id="m1", touser="oOther")["msgid"] != first
    assert [(one["recipient"], one["copies"]) for one in box.inbox()] == [("oOther", 1), (READER, 2)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"template_id": "TPL-none"}, 40037),
        ({"touser": ""}, 40003),
        ({"data": {}}, 47003),
        ({"data": {**DATA, "thing3": {"value": "杯" * 21}}}, 47003),
    ],
)
def test_template_message_is_refused(box: Running, changes: dict[str, object], code: int) -> None:
    assert template(box, token(box), **changes)["errcode"] == code
    assert box.inbox() == []


def test_consent_is_for_one_message(box: Running) -> None:
    value = token(box)
    assert subscription(box, value)["errcode"] == 43101
    box.control("consent", openid=READER, template=TEMPLATE)
    assert [subscription(box, value)["errcode"] for _ in range(2)] == [0, 43101]


def test_follower_who_left(box: Running) -> None:
    box.control("follower", openid="oGone", is_following=False)
    assert template(box, token(box), touser="oGone")["errcode"] == 43004


def test_dingtalk_wants_its_signature(box: Running) -> None:
    def send(stamp: int) -> Any:
        secret = "SECsandboxdingtalksecret"
        raw = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
        sign = quote(base64.b64encode(raw).decode(), safe="")
        path = f"/dingtalk/robot/send?access_token=sandboxdingtalktoken&timestamp={stamp}&sign={sign}"
        return post(box, path, {"msgtype": "text", "text": {"content": "你好"}})

    now = round(time.time() * 1000)
    assert send(now)["errcode"] == 0
    assert send(now - 3_700_000)["errcode"] == 310000


def test_feishu_wants_its_signature(box: Running) -> None:
    def send(stamp: int) -> Any:
        raw = hmac.new(f"{stamp}\nsandboxfeishusecret".encode(), b"", hashlib.sha256).digest()
        body = {"timestamp": str(stamp), "sign": base64.b64encode(raw).decode(), "msg_type": "text"}
        return post(
            box, "/feishu/open-apis/bot/v2/hook/sandbox-feishu-hook", {**body, "content": {"text": "你好"}}
        )

    now = int(time.time())
    assert send(now)["code"] == 0
    assert send(now - 3700)["code"] == 19021


def test_wecom_takes_2048_bytes(box: Running) -> None:
    path = "/wecom/cgi-bin/webhook/send?key=sandbox-wecom-key"
    assert post(box, path, {"msgtype": "text", "text": {"content": "x" * 2048}})["errcode"] == 0
    assert post(box, path, {"msgtype": "text", "text": {"content": "x" * 2049}})["errcode"] == 40058


def test_mail_is_kept(box: Running) -> None:
    with smtplib.SMTP("127.0.0.1", box.smtp_port, timeout=5) as line:
        line.sendmail(
            "a@shop.example", ["b@buyer.example"], b"Subject: hello\r\nMessage-ID: <1@x>\r\n\r\n.dot\r\ntext"
        )
    (got,) = box.inbox("b@buyer.example")
    assert (got["vendor_id"], got["params"]["subject"], got["text"].split()) == (
        "<1@x>",
        "hello",
        [".dot", "text"],
    )


def test_page_shows_what_one_person_got(box: Running) -> None:
    template(box, token(box), data={**DATA, "thing3": {"value": "<b>杯</b>"}})
    page = call("GET", f"{box.url}/control/inbox?recipient={READER}").text
    assert "&lt;b&gt;杯&lt;/b&gt;" in page
    assert "<b>杯" not in page
    assert "微信模板消息" in page
    assert "杯" not in call("GET", f"{box.url}/control/inbox?recipient=oNobody").text
