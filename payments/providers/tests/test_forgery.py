"""A hundred thousand genuine calls with one byte changed, of all providers: none says anything that was not signed.

A change that leaves the meaning as it was (the case of a percent-encoding) may pass, but then the notice must be the
genuine one. Where the bytes themselves are signed, no change may pass at all.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from payments.providers.errors import Rejected
from payments.providers.registry import PROVIDERS
from payments.providers.tests import alipay_messages as alipay
from payments.providers.tests import unionpay_messages as unionpay
from payments.providers.tests import wechatpay_messages as wechatpay
from payments.providers.tests.test_alipay_certificates import certified
from payments.providers.tests.test_alipay_certificates import notification as certified_notification
from payments.providers.types import AccountKeys, RawNotification
from payments.tests import builders as build

Genuine = tuple[RawNotification, AccountKeys]


def webhook_call() -> Genuine:
    data = {
        "reference": "7F3K2026112200420001",
        "provider_reference": "wh-1",
        "amount": "266.40",
        "currency": "CNY",
    }
    payload = {"type": "payment.succeeded", "timestamp": alipay.RECEIVED_AT.isoformat(), "data": data}
    body, headers = build.sign_webhook(json.dumps(payload).encode(), at=alipay.RECEIVED_AT)
    keys = AccountKeys("webhook", "demo-webhook", {}, {"secret": build.WEBHOOK_SECRET}, "1")
    return RawNotification(headers, body, alipay.RECEIVED_AT), keys


def wechatpay_call(by: wechatpay.By) -> Genuine:
    body = wechatpay.payment_body()
    return wechatpay.call(body, wechatpay.signed_headers(body, by=by)), wechatpay.account()


# Who, how many changes, and whether the bytes themselves are signed.
MAKERS: Mapping[str, tuple[Callable[[], Genuine], int, bool]] = {
    "alipay by key": (lambda: (alipay.call(alipay.notification()), alipay.account()), 25_000, False),
    "alipay by certificate": (lambda: (alipay.call(certified_notification()), certified()), 10_000, False),
    "wechatpay by certificate": (lambda: wechatpay_call(wechatpay.CERTIFICATE), 20_000, True),
    "wechatpay by public key": (lambda: wechatpay_call(wechatpay.PUBLIC_KEY), 10_000, True),
    "unionpay": (lambda: (unionpay.call(unionpay.notification()), unionpay.account()), 15_000, False),
    "webhook": (webhook_call, 20_000, True),
}


# Not covered by any signature; a serial number in small letters is the same number.
UNSIGNED = {"content-type", "wechatpay-serial"}


def changed(call: RawNotification, chance: random.Random) -> RawNotification:
    """The call with one byte of its body or one character of a header's value replaced by another."""
    names = sorted(name for name, value in call.headers.items() if value)
    if chance.random() < 0.7:
        place = chance.randrange(len(call.body))
        byte = call.body[place] ^ chance.randrange(1, 256)
        return replace(call, body=call.body[:place] + bytes([byte]) + call.body[place + 1 :])
    name = chance.choice(names)
    value = call.headers[name]
    place = chance.randrange(len(value))
    other = chr(ord(value[place]) ^ chance.randrange(1, 128))
    return replace(call, headers={**call.headers, name: value[:place] + other + value[place + 1 :]})


def differing(one: RawNotification, other: RawNotification) -> list[str]:
    parts = [name for name, value in one.headers.items() if value != other.headers[name]]
    return [*parts, "body"] if one.body != other.body else parts


def test_they_are_a_hundred_thousand() -> None:
    assert sum(count for _make, count, _raw in MAKERS.values()) == 100_000
    assert {name.partition(" ")[0] for name in MAKERS} == set(PROVIDERS)


@pytest.mark.parametrize("name", MAKERS)
def test_no_change_of_one_byte_says_anything_new(name: str) -> None:
    make, count, bytes_are_signed = MAKERS[name]
    call, keys = make()
    verify = PROVIDERS[keys.provider].verify
    genuine = verify(call, keys)
    # The same changes in every run, so that a fault is a fault of the change at hand; another seed tries others.
    seed = int(os.environ.get("FORGERY_SEED", "20261122"))
    chance, passed = random.Random(seed), []
    for _ in range(count):
        forged = changed(call, chance)
        try:
            notice = verify(forged, keys)
        except Rejected:
            continue
        passed.append(forged)
        assert notice == genuine, f"seed {seed}: {forged}"
    if bytes_are_signed:
        assert {part for one in passed for part in differing(one, call)} <= UNSIGNED, f"seed {seed}"
