"""The events in which WeChat says what became of a message, and what else comes to the same address."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ordersite.messaging.senders.types import ChannelKeys, Report, ReportCall, ReportReply
from ordersite.messaging.senders.wechat_template.adapter import WechatTemplate

KEYS = ChannelKeys("wechat_template", "s", {}, {})
HEAD = (
    "<ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[oReader]]></FromUserName>"
    "<CreateTime>1395658920</CreateTime><MsgType><![CDATA[event]]></MsgType>"
)
AT = datetime(2014, 3, 24, 11, 2, tzinfo=UTC)


def read(xml: str) -> tuple[tuple[Report, ...], ReportReply]:
    return WechatTemplate().read_reports(ReportCall(body=xml.encode()), KEYS)


@pytest.mark.parametrize(
    ("status", "is_delivered"),
    [("success", True), ("failed:user block", False), ("failed: system failed", False)],
)
def test_template_message(status: str, is_delivered: bool) -> None:
    event = f"<Event><![CDATA[TEMPLATESENDJOBFINISH]]></Event><MsgID>200163836</MsgID><Status><![CDATA[{status}]]></Status>"

    reports, reply = read(f"<xml>{HEAD}{event}</xml>")

    assert reports == (Report(vendor_id="200163836", is_delivered=is_delivered, code=status, at=AT),)
    assert (reply.status, reply.body) == (200, b"success")


def test_subscription_messages() -> None:
    rows = (
        "<List><TemplateId>T</TemplateId><MsgID>1</MsgID><ErrorCode>0</ErrorCode><ErrorStatus>success</ErrorStatus></List>"
        "<List><TemplateId>T</TemplateId><MsgID>2</MsgID><ErrorCode>1</ErrorCode><ErrorStatus>block</ErrorStatus></List>"
    )
    event = "<Event>subscribe_msg_sent_event</Event>"

    reports, _reply = read(f"<xml>{HEAD}{event}<SubscribeMsgSentEvent>{rows}</SubscribeMsgSentEvent></xml>")

    assert [(one.vendor_id, one.is_delivered, one.code) for one in reports] == [
        ("1", True, "0 success"), ("2", False, "1 block"),
    ]  # fmt: skip


@pytest.mark.parametrize("event", ["<Event>subscribe</Event>", "<Content>你好</Content>", ""])
def test_what_is_no_report_is_answered_and_left(event: str) -> None:
    assert read(f"<xml>{HEAD}{event}</xml>") == (
        (),
        ReportReply(200, "text/plain; charset=utf-8", b"success"),
    )


@pytest.mark.parametrize(
    "xml",
    [
        "",
        "{}",
        "<xml>",
        "<xml><Encrypt>x</Encrypt></xml>",
        '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><MsgID>&e;</MsgID></xml>',
        '<!DOCTYPE a [<!ENTITY e "x"><!ENTITY f "&e;&e;">]><xml>&f;</xml>',
    ],
)
def test_unreadable_push_is_refused(xml: str) -> None:
    reports, reply = read(xml)

    assert (reports, reply.status) == ((), 400)


def test_first_call_gets_its_echo_back() -> None:
    call = ReportCall(method="GET", query={"echostr": "5838479218127813673"})
    forged = ReportCall(method="GET", query={"echostr": "<script>"})

    assert WechatTemplate().read_reports(call, KEYS)[1].body == b"5838479218127813673"
    assert WechatTemplate().read_reports(forged, KEYS)[1].status == 400
