"""Tencent Cloud's text messages against the sandbox, which computes the signature by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils.translation import override

from ordersite.messaging.senders.tencent_sms.adapter import TencentSms
from ordersite.messaging.senders.tencent_sms.codes import CODES
from ordersite.messaging.senders.tests.sender_cases import LINK, PHONE, error_of, keys_at, message_for, send
from ordersite.messaging.senders.types import SEND_ERRORS, Action
from sandbox.tests.running import Running

CHANNEL = "tencent_sms"


def test_values_arrive_in_their_order(box: Running) -> None:
    sent = send(keys_at(box, CHANNEL))

    (got,) = box.inbox(PHONE)
    assert (got["vendor_id"], got["key"]) == (sent.vendor_id, "m-1")
    assert got["text"] == f"【演示商店】您的订单A1已收到，共9.00元。查看进度：{LINK}"


@pytest.mark.parametrize(
    ("fault", "code", "action"),
    [
        ("throttled", "throttled", Action.RETRY),
        ("limit", "limit_reached", Action.RETRY),
        ("status_500", "unknown", Action.RETRY),
        ("blocked", "blocked", Action.GIVE_UP),
        ("bad_number", "bad_address", Action.GIVE_UP),
        ("no_funds", "out_of_funds", Action.ALARM),
        ("bad_signature", "bad_keys", Action.ALARM),
    ],
)
def test_refusals(box: Running, fault: str, code: str, action: Action) -> None:
    box.control("faults", target="tencent_sms.send", fault=fault)

    error = error_of(keys_at(box, CHANNEL))

    assert (error.code, error.action) == (code, action)
    assert box.inbox() == []


@pytest.mark.parametrize(("fault", "value"), [("timeout", 1), ("bad_gateway", None)])
def test_lost_answer_may_have_been_sent(box: Running, fault: str, value: float | None) -> None:
    box.control("faults", target="tencent_sms.send", fault=fault, value=value)

    error = error_of(keys_at(box, CHANNEL))

    assert (error.code, error.outcome_known) == ("unknown", False)
    assert len(box.inbox(PHONE)) == 1


def test_wrong_keys(box: Running) -> None:
    keys = keys_at(box, CHANNEL)
    errors = [
        error_of(keys_at(box, CHANNEL, secret_key="another")),
        error_of(keys_at(box, CHANNEL, secret_id="another")),
        error_of(keys_at(box, CHANNEL, sdk_app_id="1400000009")),
        error_of(keys_at(box, CHANNEL, sign_name="别的店")),
        error_of(keys, message_for(keys, template_id="1")),
    ]

    assert [one.code for one in errors] == [
        "bad_keys",
        "bad_keys",
        "bad_keys",
        "bad_template",
        "bad_template",
    ]
    assert {one.action for one in errors} == {Action.ALARM}


def test_template_with_another_number_of_values(box: Running) -> None:
    keys = keys_at(box, CHANNEL)

    assert error_of(keys, message_for(keys, params={"order_number": "A1"})).code == "bad_content"


def test_second_message_within_half_a_minute(box: Running) -> None:
    keys = keys_at(box, CHANNEL)
    send(keys)

    error = error_of(keys, message_for(keys, "m-2"))

    assert (error.code, error.pause) == ("limit_reached", timedelta(seconds=30))


def test_keys_of_an_account(box: Running) -> None:
    with override("en"):
        assert TencentSms().check(keys_at(box, CHANNEL, region="ap-nanjing")) == []
        assert TencentSms().check(keys_at(box, CHANNEL, sdk_app_id="x", templates={"order.paid": 1})) == [
            "sdk_app_id must be a number.",
            "templates must name the channel's template of each event.",
        ]
    assert set(CODES.values()) <= set(SEND_ERRORS)
