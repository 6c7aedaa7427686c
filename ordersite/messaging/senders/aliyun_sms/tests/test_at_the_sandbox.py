"""Aliyun's text messages against the sandbox, which computes the signature by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ordersite.messaging.senders.aliyun_sms.codes import CODES, pause_of
from ordersite.messaging.senders.tests.sender_cases import LINK, PHONE, error_of, keys_at, message_for, send
from ordersite.messaging.senders.types import SEND_ERRORS, Action
from sandbox.tests.running import Running

CHANNEL = "aliyun_sms"


def test_message_arrives(box: Running) -> None:
    keys = keys_at(box, CHANNEL)

    sent = send(keys, message_for(keys, recipient="+86 138-0013-8000"))

    (got,) = box.inbox(PHONE)
    assert (got["vendor_id"], got["key"]) == (sent.vendor_id, "m-1")
    assert got["text"] == f"【演示商店】您的订单A1已收到，共9.00元。查看进度：{LINK}"


@pytest.mark.parametrize(
    ("fault", "code", "action"),
    [
        ("throttled", "throttled", Action.RETRY),
        ("limit", "limit_reached", Action.RETRY),
        ("status_500", "unknown", Action.RETRY),
        ("bad_number", "bad_address", Action.GIVE_UP),
        ("no_funds", "out_of_funds", Action.ALARM),
        ("bad_signature", "bad_keys", Action.ALARM),
    ],
)
def test_refusals(box: Running, fault: str, code: str, action: Action) -> None:
    box.control("faults", target="aliyun_sms.send", fault=fault)

    error = error_of(keys_at(box, CHANNEL))

    assert (error.code, error.action) == (code, action)
    assert box.inbox() == []


@pytest.mark.parametrize(("fault", "value"), [("timeout", 1), ("bad_gateway", None)])
def test_lost_answer_may_have_been_sent(box: Running, fault: str, value: float | None) -> None:
    box.control("faults", target="aliyun_sms.send", fault=fault, value=value)

    error = error_of(keys_at(box, CHANNEL))

    assert (error.code, error.outcome_known) == ("unknown", False)
    assert len(box.inbox(PHONE)) == 1


def test_wrong_keys(box: Running) -> None:
    secret = error_of(keys_at(box, CHANNEL, access_key_secret="another"))
    unknown = error_of(keys_at(box, CHANNEL, access_key_id="another"))
    sign = error_of(keys_at(box, CHANNEL, sign_name="别的店"))
    keys = keys_at(box, CHANNEL)
    template = error_of(keys, message_for(keys, template_id="SMS_1"))

    assert [one.code for one in (secret, unknown, sign, template)] == [
        "bad_keys", "bad_keys", "bad_template", "bad_template",
    ]  # fmt: skip
    assert all(one.action is Action.ALARM for one in (secret, unknown, sign, template))


def test_error_quotes_no_phone(box: Running) -> None:
    error = error_of(keys_at(box, CHANNEL, access_key_secret="another"))

    assert error.words.startswith("SignatureDoesNotMatch")
    assert PHONE not in error.words
    assert "another" not in error.words


def test_parameter_that_the_template_wants(box: Running) -> None:
    keys = keys_at(box, CHANNEL)

    error = error_of(keys, message_for(keys, params={"order_number": "A1"}))

    assert (error.code, error.action) == ("bad_content", Action.GIVE_UP)


def test_fifty_a_day(box: Running) -> None:
    keys = keys_at(box, CHANNEL)
    for number in range(50):
        send(keys, message_for(keys, f"m-{number}"))

    error = error_of(keys, message_for(keys, "m-50"))

    assert error.code == "limit_reached"
    assert timedelta(0) < error.pause <= timedelta(days=1)
    assert len(box.inbox(PHONE)) == 50


def test_how_long_a_limit_lasts() -> None:
    assert pause_of("触发分钟级流控Permits:1") == timedelta(minutes=1)
    assert pause_of("触发小时级流控Permits:5") == timedelta(hours=1)
    assert pause_of("流控") is None
    assert set(CODES.values()) <= set(SEND_ERRORS)
