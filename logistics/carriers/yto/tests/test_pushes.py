"""YTO's pushes: the whole sample, forged and hostile ones, and the answer."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from logistics.carriers.types import PushCall, PushRejected, RouteEvent, TrackingStatus
from logistics.carriers.yto import pushes
from logistics.carriers.yto.tests.account import NUMBER, REFERENCE, yto_keys

XML = (Path(__file__).parent / "payloads" / "push.xml").read_text().strip()


def pushed(xml: str = XML, secret: str = "SECRET", kind: str = "base64") -> PushCall:
    digest = pushes.DIGESTS[kind](xml, secret)
    return PushCall({}, urlencode({"logistics_interface": xml, "data_digest": digest}).encode())


def reason_of(call: PushCall, **more: Any) -> str:
    with pytest.raises(PushRejected) as caught:
        pushes.read_push(call, yto_keys(**more))
    return caught.value.reason


def test_whole_push() -> None:
    (push,) = pushes.read_push(pushed(), yto_keys())
    event = RouteEvent(
        at=datetime(2023, 4, 25, 5, 50, 14, 541000, tzinfo=UTC),
        status=TrackingStatus.OUT_FOR_DELIVERY,
        text="【浙江省绍兴市上虞市】的李四(139****3333)正在派件 & *~",
        location="绍兴市 上虞区",
        provider_code="SENT_SCAN",
    )
    assert (push.carrier, push.tracking_number, push.corrected_carrier) == ("yto", NUMBER, "")
    assert (push.route.events, push.route.status) == ((event,), TrackingStatus.OUT_FOR_DELIVERY)
    for canary in ("13911113333", "0575-89288222", "empName"):
        assert canary not in repr(push)


def test_digest_of_another_rule_or_secret() -> None:
    assert reason_of(pushed(secret="OTHER")) == "bad_signature"
    assert reason_of(pushed(), push_digest="hex") == "bad_signature"
    assert pushes.read_push(pushed(kind="hex"), yto_keys(push_digest="hex"))
    assert pushes.read_push(pushed(secret="OTHER"), yto_keys(push_secret="OTHER"))
    assert reason_of(pushed(), push_digest="none") == "bad_signature"


def test_changed_content_is_not_believed() -> None:
    call = pushed()
    assert reason_of(PushCall({}, call.body.replace(b"SENT_SCAN", b"SIGNED"))) == "bad_signature"


@pytest.mark.parametrize(
    "xml",
    [
        "<UpdateInfo>",
        "<Other/>",
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><UpdateInfo><mailNo>&x;</mailNo></UpdateInfo>',
        '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><UpdateInfo><mailNo>&c;</mailNo></UpdateInfo>',
        "<!DOCTYPE UpdateInfo><UpdateInfo/>",
        XML.replace(NUMBER, ""),
        XML.replace(NUMBER, "单号"),
        XML.replace("2023-04-25 13:50:14.541 CST", "yesterday"),
    ],
)
def test_hostile_or_broken_xml(xml: str) -> None:
    assert reason_of(pushed(xml)) == "malformed"


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"logistics_interface=", b"logistics_interface=a&logistics_interface=b", b"a&" * 30],
)
def test_broken_form(body: bytes) -> None:
    assert reason_of(PushCall({}, body)) == "malformed"


def test_unknown_code_is_kept() -> None:
    (push,) = pushes.read_push(pushed(XML.replace("SENT_SCAN", "SOMETHING_NEW")), yto_keys())
    assert (push.route.status, push.route.events[0].provider_code) == (
        TrackingStatus.UNKNOWN,
        "SOMETHING_NEW",
    )


def test_answers() -> None:
    taken, refused = pushes.reply(True, pushed()), pushes.reply(False)
    assert taken.body.decode() == (
        "<Response><logisticProviderID>YTO</logisticProviderID>"
        f"<txLogisticID>{REFERENCE}</txLogisticID><success>true</success></Response>"
    )
    assert b"<success>false</success>" in refused.body
    assert (taken.status, taken.content_type) == (200, "text/xml; charset=utf-8")
    odd = pushed(XML.replace(REFERENCE, "&lt;a&gt;"))
    assert b"<txLogisticID>&lt;a&gt;</txLogisticID>" in pushes.reply(True, odd).body
    assert b"<txLogisticID></txLogisticID>" in pushes.reply(True, PushCall({}, b"\xff")).body
