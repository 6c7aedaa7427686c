"""Names, phones and keys that nothing else contains go through the main flows: no log, cache, task or diary shows one."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from celery.signals import before_task_publish
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from logistics.tests.builders import build_warehouse
from orders.approvals import workflow
from orders.clients import add_client
from orders.models import ChangeRequest, Order, StaffMail
from orders.tests.builders import build_merchant
from orders.tests.calls import order_body, post_json, post_order
from ordersite.lib.webhooks.signature import secret_bytes, signed_headers
from ordersite.queue.models import AuditEntry, OutboxEntry
from ordersite.relay import run_relay
from ordersite.tests.console_log import log
from payments.accounts.change_kind import ACCOUNT
from payments.manual.tests.proposals import person
from payments.models import PaymentAccount
from payments.notifications.apply import drain_notifications
from payments.tests.builders import post_webhook
from sandbox.tests.nobody import nobody

__all__ = ["log"]
pytestmark = pytest.mark.django_db(transaction=True)
NAME, PHONE, STREET = "金丝雀甲乙", "13912345678", "灯笼街99号"
EMAIL, OPENID = "canary.bird@shop.test", "oCanary0penid4711"
SECRET, NEW_SECRET = "whsec_" + "Q2FuYXJ5" * 4, "whsec_" + "S2FuYXJp" * 4
PASSWORD = "canary passphrase 4711"
PERSONAL = (NAME, PHONE, STREET, EMAIL, OPENID)
KEYS = (SECRET, NEW_SECRET, "Q2FuYXJ5Q2Fu", "S2FuYXJpS2Fu", PASSWORD)


@pytest.fixture
def tasks() -> Iterator[list[str]]:
    """What is sent to the broker: the name, headers and arguments of each task."""
    sent: list[str] = []

    def note(sender: Any = None, body: Any = None, headers: Any = None, **_rest: Any) -> None:
        sent.append(f"{sender} {headers!r} {body!r}")

    before_task_publish.connect(note, weak=False)
    yield sent
    before_task_publish.disconnect(note)


def cached() -> str:
    """Everything in this test's cache: in Redis, or in the memory of the process."""
    client: Any = getattr(cache, "_cache")  # noqa: B009  # neither is public
    if isinstance(client, dict):
        return repr(client)
    redis = client.get_client(None, write=True)
    keys = list(redis.scan_iter(match=f"*{cache.key_prefix}*"))
    read = {b"string": redis.get, b"zset": lambda key: redis.zrange(key, 0, -1)}
    return repr([(key, redis.dump(key), read[redis.type(key)](key)) for key in keys])


def written_down() -> str:
    """The diaries: staff actions, audit, events, mail to staff, proposals."""
    rows: list[Any] = []
    for model in (LogEntry, AuditEntry, OutboxEntry, StaffMail, ChangeRequest):
        rows += model.objects.values()
    return repr(rows)


def found_in(text: str, canaries: tuple[str, ...]) -> list[str]:
    """The canaries in a text, as they are or as JSON and Python write them."""
    forms = {
        one: {one, json.dumps(one)[1:-1], ascii(one)[1:-1], repr(one.encode())[2:-1]} for one in canaries
    }
    return [one for one, written in forms.items() if any(form in text for form in written)]


def log_in(name: str, password: str = PASSWORD) -> Client:
    client = Client()
    client.post("/accounts/login/", {"username": name, "password": password})
    return client


def staff(name: str, role: str) -> User:
    user = person(name, role)
    user.set_password(PASSWORD)
    user.save()
    return user


def signed_call(order: Order, reference: str, secret: str) -> tuple[bytes, dict[str, str]]:
    """A call of the provider that also names the buyer, as real ones do."""
    at = timezone.now().isoformat()
    data = {
        "reference": reference, "provider_reference": "P4711", "amount": str(order.total_amount), "currency": "CNY",
        "paid_at": at, "buyer": {"name": NAME, "phone": PHONE, "openid": OPENID, "email": EMAIL},
    }  # fmt: skip
    body = json.dumps({"type": "payment.succeeded", "timestamp": at, "data": data}).encode()
    return body, signed_headers(secret_bytes(secret), body, message_id="msg_1", at=timezone.now())


def run_the_main_flows() -> Order:
    """Staff set the shop up, a buyer orders and pays, a stranger forges, the warehouse ships, support looks."""
    shop = build_merchant()
    build_warehouse(shop)
    operations, finance = staff("ops", "operations"), staff("fin", "finance")
    desk = Client()
    desk.force_login(operations)
    log_in("ops", f"{PASSWORD} wrong")
    log_in("ops")
    for keys in ({"secret": SECRET, "pay_url": f"{nobody()}/pay"}, {"secret": NEW_SECRET}):
        account = PaymentAccount.objects.first()
        where = f"{account.pk}/do/keys/" if account else "add/"
        form = {
            "keys": json.dumps(keys),
            "reason": "定期更换",
            "provider": "webhook",
            "slug": "shop",
            "merchant": shop.pk,
        }
        desk.post(f"/admin/payments/paymentaccount/{where}", form)
        waiting = ChangeRequest.objects.get(status="proposed")
        desk.get(f"/admin/orders/changerequest/{waiting.pk}/change/")
        workflow.approve(ACCOUNT, waiting.pk, user=finance, note="ok")

    scopes = ("orders:read", "orders:write", "shipments:write")
    _row, token = add_client(shop, name="ERP", scopes=scopes)
    caller = Client(headers={"authorization": f"Bearer {token}"})
    address = {"province": "广东省", "city": "深圳市", "district": "南山区", "street": STREET}
    buyer = {"id": "buyer-1", "name": NAME, "phone": PHONE, "openid": OPENID, "email": EMAIL}
    body = order_body(buyer=buyer, address=address)
    post_order(caller, {**body, "buyer": {**buyer, "phone": f"{PHONE}x"}})
    post_order(caller, {**body, "address": {**address, "unknown": STREET}})
    number = post_order(caller, body, key="canary-key").json()["number"]
    post_order(caller, {**body, "note": "another body"}, key="canary-key")
    order = Order.objects.get(number=number)

    # The provider is silent, and its address is called in vain.
    started = post_json(
        caller, f"/api/v1/orders/{number}/payments/", {"provider": "webhook", "account": "shop"}
    )
    reference = started.json()["details"]["reference"]
    post_webhook(*signed_call(order, reference, "whsec_" + "Zm9yZ2Vk" * 4), slug="shop")
    assert post_webhook(*signed_call(order, reference, NEW_SECRET), slug="shop").status_code == 204
    drain_notifications()
    run_relay()
    parcel = {"order": number, "warehouse": "main", "carrier": "yto", "tracking_number": "YT4711471147114"}
    post_json(caller, "/api/v1/shipments/confirm/", {"confirmations": [parcel]})
    run_relay()
    caller.get(f"/api/v1/orders/{number}/")
    desk.get("/admin/orders/order/find/", {"q": PHONE})
    desk.get("/admin/orders/order/", {"q": PHONE})
    desk.get(f"/admin/orders/order/{order.pk}/change/")
    desk.get(f"/track/{order.tracking_token}/")
    return Order.objects.get(pk=order.pk)


def test_canaries_stay_where_they_belong(log: StringIO, tasks: list[str]) -> None:
    order = run_the_main_flows()
    run_relay()

    # They went all the way, and what was looked at is not empty.
    assert (order.status, order.buyer_name, order.buyer_phone) == ("shipped", NAME, PHONE)
    lines, diaries = log.getvalue(), written_down()
    assert "/notify/webhook/shop/" in lines or "rejected" in lines or "Bad Request" in lines
    assert "keys_fingerprint" in diaries

    secret = (*PERSONAL, *KEYS)
    assert found_in(lines, secret) == []
    assert found_in(cached(), secret) == []
    assert found_in(" ".join(tasks), secret) == []
    assert found_in(diaries, secret) == []


def test_the_scan_finds_each_form(log: StringIO, tasks: list[str]) -> None:
    """A line, a cache entry, a task and a diary that do show one are found."""
    cache.set("bird", {"phone": PHONE, "name": NAME})
    LogEntry.objects.create(user=person("ops", "operations"), action_flag=2, change_message=SECRET)
    logging.getLogger("ordersite.tests").warning("street %s", STREET)
    before_task_publish.send(sender="x", body=((OPENID,), {}), headers={})

    assert found_in(log.getvalue(), PERSONAL) == [STREET]
    assert set(found_in(cached(), PERSONAL)) == {NAME, PHONE}
    assert found_in(" ".join(tasks), PERSONAL) == [OPENID]
    assert SECRET in found_in(written_down(), KEYS)
