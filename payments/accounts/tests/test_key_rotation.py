"""Keys are changed while genuine calls arrive, signed by the old key and by the new one: none of them is refused."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Sequence

import httpx2
import pytest
from django.utils import timezone

from orders.tests.builders import build_merchant
from orders.tests.web import web_server
from ordersite.lib.webhooks.signature import secret_bytes, signed_headers
from payments.accounts.save import change_account, save_account
from payments.models import PaymentNotification
from payments.providers.wechatpay.tests import messages as wechatpay
from payments.tests import builders as build

pytestmark = [pytest.mark.postgres, pytest.mark.serial, pytest.mark.django_db(transaction=True)]
NEW_SECRET = "whsec_" + base64.b64encode(b"fedcba9876543210fedcba9876543210").decode()
Call = tuple[str, bytes, dict[str, str]]


def webhook_call(number: int, secret: str) -> Call:
    body = (
        b'{"type": "order.later", "timestamp": "2026-11-22T06:02:11Z", "data": {"reference": "R%d"}}' % number
    )
    headers = signed_headers(secret_bytes(secret), body, message_id=f"m{number}", at=timezone.now())
    return "/notify/webhook/demo-webhook/", body, {**headers, "content-type": "application/json"}


def wechatpay_call(number: int, by: wechatpay.Signer) -> Call:
    body = wechatpay.payment_body(event={"id": f"EV-{number}"})
    headers = wechatpay.signed_headers(body, by=by, at=timezone.now())
    return "/notify/wechatpay/demo-wechatpay/", body, {**headers, "content-type": "application/json"}


def answers(url: str, calls: Sequence[Callable[[int], Call]], stop: threading.Event) -> list[int]:
    """The statuses of calls one after the other, in turns, until the keys are changed and a little longer."""
    seen: list[int] = []
    with httpx2.Client(base_url=url, timeout=20) as client:
        while not stop.is_set():
            path, body, headers = calls[len(seen) % len(calls)](len(seen))
            seen.append(client.post(path, content=body, headers=headers).status_code)
    return seen


def during(url: str, calls: Sequence[Callable[[int], Call]], change: Callable[[], object]) -> list[int]:
    seen: list[int] = []
    stop = threading.Event()
    thread = threading.Thread(target=lambda: seen.extend(answers(url, calls, stop)))
    thread.start()
    time.sleep(0.3)
    change()
    time.sleep(0.5)
    stop.set()
    thread.join(30)
    return seen


def test_genuine_notifications_stay_accepted() -> None:
    webhook = build.build_webhook()
    old_keys = {wechatpay.hex_serial(): wechatpay.certificate()}
    both_keys = {**old_keys, wechatpay.PUBLIC_KEY_ID: wechatpay.public_pem("platform-2")}
    keyring = save_account(
        "demo-wechatpay", provider="wechatpay", merchant=build_merchant("other"),
        values=wechatpay.account_file(platform_keys=old_keys),
    )  # fmt: skip
    old, new = (lambda n: webhook_call(n, build.WEBHOOK_SECRET)), (lambda n: webhook_call(n, NEW_SECRET))
    by_old, by_new = (
        (lambda n: wechatpay_call(n, wechatpay.CERTIFICATE)),
        (lambda n: wechatpay_call(n, wechatpay.PUBLIC_KEY)),
    )
    rotated = {"secret": NEW_SECRET, "previous_secrets": [build.WEBHOOK_SECRET]}

    def change_both() -> None:
        change_account(webhook, rotated)
        change_account(keyring, {"platform_keys": both_keys})

    with web_server() as url:
        seen = during(url, [old, by_old], change_both)
        # The senders begin with their new keys when ours are in: each process learns of it at the first such call.
        time.sleep(1)
        later = during(url, [old, new, by_old, by_new], lambda: None)
    assert len(seen) > 20
    assert set(seen) == set(later) == {204}
    assert not PaymentNotification.objects.filter(check_result="rejected").exists()
