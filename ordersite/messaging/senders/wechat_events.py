"""Reads the events in which WeChat says what became of a message, from its pushes in plain XML.

A template message: TEMPLATESENDJOBFINISH with MsgID and Status (`success`, `failed:user block`, `failed: system
failed`). A subscription message: subscribe_msg_sent_event with a list of MsgID, ErrorCode and ErrorStatus. The same
address gets whatever readers of the account write; that is answered and left. What is encrypted ("safe mode") is not
read. Before the first push WeChat sends a GET whose `echostr` it wants back.
Sources: as in `wechat`, and developers.weixin.qq.com/doc/service/guide/dev/push/ (the GET, plain and safe mode).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, ParseError  # the types alone; defusedxml parses

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ordersite.messaging.senders.report_forms import MAX_CODE
from ordersite.messaging.senders.types import Report, ReportCall, ReportReply

_TEXT = "text/plain; charset=utf-8"
_ACCEPTED = ReportReply(200, _TEXT, b"success")
_UNREADABLE = ReportReply(400, _TEXT, b"unreadable")
_ECHO = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)


def read_events(call: ReportCall) -> tuple[tuple[Report, ...], ReportReply]:
    """The reports of a push, and the answer to it."""
    if call.method == "GET":
        echo = call.query.get("echostr", "")
        return (), ReportReply(200, _TEXT, echo.encode()) if _ECHO.fullmatch(echo) else _UNREADABLE
    root = _root(call.body)
    if root is None or root.find("Encrypt") is not None:
        return (), _UNREADABLE
    at = _time(root, call)
    if _text(root, "Event") == "TEMPLATESENDJOBFINISH":
        return _with_ids([_template_report(root, at)]), _ACCEPTED
    rows = root.iterfind("./SubscribeMsgSentEvent/List")
    return _with_ids([_subscription_report(row, at) for row in rows]), _ACCEPTED


def _root(body: bytes) -> Element | None:
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    return root


def _template_report(root: Element, at: datetime) -> Report:
    status = _text(root, "Status")
    return Report(
        vendor_id=_text(root, "MsgID"), is_delivered=status == "success", code=status[:MAX_CODE], at=at
    )


def _subscription_report(row: Element, at: datetime) -> Report:
    code, status = _text(row, "ErrorCode"), _text(row, "ErrorStatus")
    words = f"{code} {status}".strip()[:MAX_CODE]
    return Report(vendor_id=_text(row, "MsgID"), is_delivered=code == "0", code=words, at=at)


def _with_ids(reports: list[Report]) -> tuple[Report, ...]:
    return tuple(report for report in reports if report.vendor_id)


def _text(parent: Element, name: str) -> str:
    return (parent.findtext(name) or "").strip()


def _time(root: Element, call: ReportCall) -> datetime:
    text = _text(root, "CreateTime")
    if not re.fullmatch(r"[0-9]{9,10}", text, re.ASCII):
        return call.received_at
    return min(datetime.fromtimestamp(int(text), UTC), call.received_at)
