"""Headers: whatever number the proxies add, those of the signature are verified, kept, and verified again by a replay."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from orders.tests.builders import build_merchant
from ordersite.lib.money import fen
from payments.accounts.save import save_account
from payments.models import Payment, PaymentNotification
from payments.notifications.replay import replay
from payments.providers.wechatpay.tests import messages as wechatpay
from payments.tests import builders as build

pytestmark = pytest.mark.django_db(transaction=True)
# Before the sender's own, as a chain of proxies puts them.
ADDED = {f"x-proxy-{number}": "v" * 2000 for number in range(90)}


def wechat_payment(**changes: Any) -> Payment:
    values = wechatpay.account_file(**changes)
    return build.build_payment(
        save_account("demo-wechatpay", provider="wechatpay", merchant=build_merchant(), values=values)
    )


def post_wechat(payment: Payment) -> int:
    amount = {"total": fen(payment.amount), "payer_total": 1, "currency": "CNY"}
    body = wechatpay.payment_body(out_trade_no=payment.reference, amount=amount)
    headers = {**ADDED, **wechatpay.signed_headers(body, at=timezone.now())}
    url = "/notify/wechatpay/demo-wechatpay/"
    return int(Client(headers=headers).post(url, data=body, content_type="application/json").status_code)


def kept() -> Mapping[str, str]:
    headers: Mapping[str, str] = PaymentNotification.objects.get().raw.headers
    return headers


def test_wechat_behind_many_proxies() -> None:
    payment = wechat_payment()

    assert post_wechat(payment) == 204

    assert PaymentNotification.objects.get().check_result == "verified"
    assert {name for name in kept() if name.startswith("wechatpay-")} == {
        "wechatpay-timestamp", "wechatpay-nonce", "wechatpay-signature", "wechatpay-serial", "wechatpay-signature-type",
    }  # fmt: skip
    assert len(kept()) == 40
    assert max(len(value) for name, value in kept().items() if name.startswith("x-proxy")) == 1000


def test_rejected_call_can_be_replayed() -> None:
    """The key was missing; once it is there, what was kept is enough to verify the call."""
    payment = wechat_payment(platform_keys={wechatpay.PUBLIC_KEY_ID: wechatpay.public_pem("platform-2")})
    assert post_wechat(payment) == 400
    save_account(
        "demo-wechatpay", provider="wechatpay", merchant=build_merchant(), values=wechatpay.account_file()
    )

    done = replay([PaymentNotification.objects.get().pk], actor="test")

    assert done.verified == 1


def test_webhook_behind_many_proxies() -> None:
    payment = build.build_payment(build.build_webhook())
    body, headers = build.webhook_call(payment)

    assert build.post_webhook(body, {**ADDED, **headers}).status_code == 204

    assert {"webhook-id", "webhook-timestamp", "webhook-signature"} <= set(kept())


def test_long_list_of_signatures_is_kept_whole() -> None:
    """While keys rotate the header holds many signatures; the good one may be the last."""
    payment = build.build_payment(build.build_webhook())
    body, headers = build.webhook_call(payment)
    others = " ".join(f"v1a,{'A' * 86}==" for _number in range(15))
    given = {**headers, "webhook-signature": f"{others} {headers['webhook-signature']}"}

    assert build.post_webhook(body, {**ADDED, **given}).status_code == 204

    assert kept()["webhook-signature"] == given["webhook-signature"]
    assert json.loads(json.dumps(dict(kept())))
