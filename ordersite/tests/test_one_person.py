"""One person with operations' right moves no money by any door, and what they may do alone is announced to others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from logistics.models import CarrierAccount, Warehouse
from logistics.tests.builders import build_warehouse
from orders.approvals import workflow
from orders.models import ApiClient, ChangeRequest, Merchant, Order, OrderEvent, StaffMail
from orders.tests.builders import build_merchant
from ordersite.lib.errors import DomainError
from ordersite.lib.webhooks import signature
from ordersite.outside_accounts.fingerprints import fingerprint
from ordersite.queue.models import AuditEntry
from payments.accounts import save
from payments.accounts.change_kind import ACCOUNT
from payments.accounts.keys import keys_of
from payments.manual.tests.proposals import person
from payments.models import Payment, PaymentAccount, PaymentNotification
from payments.notifications.apply import drain_notifications
from payments.tests import builders as build

pytestmark = pytest.mark.django_db(transaction=True)
OLD, NEW = "whsec_" + "b2xk" * 8, "whsec_" + "bmV3" * 8
ACCOUNTS = "/admin/payments/paymentaccount"


@pytest.fixture
def operations(client: Client) -> User:
    """Operations, logged in; the colleagues who approve are there as well."""
    for name, role in (("fin", "finance"), ("sup", "supervisor")):
        person(name, role)
    user = person("ops", "operations")
    client.force_login(user)
    return user


@pytest.fixture
def account() -> PaymentAccount:
    return save.save_account("shop", provider="webhook", merchant=build_merchant(), values={"secret": OLD})


def shown_token(page: str) -> str:
    return page.partition('id="os-once">')[2].partition("<")[0]


def call_signed_with(secret: str, payment: Payment, slug: str = "shop") -> int:
    """The status of a self-made notification that the attempt is paid."""
    content = {"type": "payment.succeeded", "timestamp": "2026-11-28T12:00:00+08:00", "data": {
        "reference": payment.reference, "provider_reference": "P1", "amount": str(payment.amount), "currency": "CNY",
        "paid_at": "2026-11-28T12:00:00+08:00",
    }}  # fmt: skip
    body, key = json.dumps(content).encode(), signature.secret_bytes(secret)
    headers = signature.signed_headers(key, body, message_id="msg_1", at=timezone.now())
    status: int = build.post_webhook(body, headers, slug=slug).status_code
    drain_notifications()
    return status


def test_other_keys_pay_no_order(client: Client, operations: User, account: PaymentAccount) -> None:
    payment = build.build_payment(account)
    form = {"keys": json.dumps({"secret": NEW}), "reason": "rotation"}
    client.post(f"{ACCOUNTS}/{account.pk}/do/keys/", form)

    assert call_signed_with(NEW, payment) >= 400

    assert Order.objects.get().status == "pending"
    request = ChangeRequest.objects.get()
    with pytest.raises(DomainError, match="not_allowed|own_proposal"):  # noqa: RUF043
        workflow.approve(ACCOUNT, request.pk, user=operations, note="ok")
    client.post(f"/admin/orders/changerequest/{request.pk}/do/approve/", {"reason": "ok"})
    assert ChangeRequest.objects.get().status == "proposed"


def test_other_addresses_are_proposed_too(client: Client, operations: User, account: PaymentAccount) -> None:
    form = {"keys": json.dumps({"query_url": "https://evil.example/q"}), "reason": "x"}
    client.post(f"{ACCOUNTS}/{account.pk}/do/keys/", form)
    for tail in ("change/", "history/", "delete/"):
        client.post(f"{ACCOUNTS}/{account.pk}/{tail}", {"config": "{}", "slug": "x", "post": "yes"})
    assert PaymentAccount.objects.get().config == account.config


def test_second_account_of_the_shop_is_not_there(
    client: Client, operations: User, account: PaymentAccount
) -> None:
    payment = build.build_payment(account)
    form = {
        "provider": "webhook", "slug": "second", "merchant": account.merchant.pk, "keys": json.dumps({"secret": NEW}),
        "reason": "x",
    }  # fmt: skip
    client.post(f"{ACCOUNTS}/add/", form)
    assert call_signed_with(NEW, payment, slug="second") == 404
    assert list(PaymentAccount.objects.values_list("slug", flat=True)) == ["shop"]
    assert Order.objects.get().status == "pending"


def test_account_is_switched_on_by_two(client: Client, operations: User, account: PaymentAccount) -> None:
    PaymentAccount.objects.update(is_active=False)

    client.post(f"{ACCOUNTS}/{account.pk}/do/on/", {"reason": "back"})

    assert not PaymentAccount.objects.get().is_active
    workflow.approve(
        ACCOUNT, ChangeRequest.objects.get().pk, user=User.objects.get(username="sup"), note="ok"
    )
    assert PaymentAccount.objects.get().is_active


def test_account_is_switched_off_at_once(client: Client, operations: User, account: PaymentAccount) -> None:
    client.post(f"{ACCOUNTS}/{account.pk}/do/off/", {})

    assert not PaymentAccount.objects.get().is_active
    entry = AuditEntry.objects.get(table_name="payments_paymentaccount")
    assert (entry.column_name, entry.new_value, entry.database_user) == ("is_active", "False", "staff: ops")
    assert set(StaffMail.objects.values_list("address", flat=True)) == {"fin@shop.test", "sup@shop.test"}


def test_history_names_the_keys_that_signed(
    client: Client, operations: User, account: PaymentAccount
) -> None:
    payment, old = build.build_payment(account), keys_of(account).fingerprint
    form = {"keys": json.dumps({"secret": NEW}), "reason": "rotation"}
    client.post(f"{ACCOUNTS}/{account.pk}/do/keys/", form)
    workflow.approve(
        ACCOUNT, ChangeRequest.objects.get().pk, user=User.objects.get(username="fin"), note="ok"
    )

    assert call_signed_with(NEW, payment) == 204

    paid = json.loads(OrderEvent.objects.get(to_status="paid").evidence)
    row = PaymentNotification.objects.get()
    change = AuditEntry.objects.get(table_name="payments_paymentaccount", column_name="keys_fingerprint")
    assert paid["keys"] == row.keys_fingerprint == change.new_value
    assert change.old_value == old != change.new_value


def test_approval_logs_fingerprints(client: Client, operations: User, account: PaymentAccount) -> None:
    old = keys_of(account).fingerprint
    client.post(
        f"{ACCOUNTS}/{account.pk}/do/keys/", {"keys": json.dumps({"secret": NEW}), "reason": "rotation"}
    )
    workflow.approve(
        ACCOUNT, ChangeRequest.objects.get().pk, user=User.objects.get(username="fin"), note="ok"
    )
    entry = LogEntry.objects.get(object_id=str(account.pk), change_message__startswith="changed: ")
    new = keys_of(PaymentAccount.objects.get()).fingerprint
    assert f"secret {fingerprint(OLD)} → {fingerprint(NEW)}" in entry.change_message
    assert f"keys_fingerprint {old} → {new}" in entry.change_message
    assert entry.change_message.endswith(" (staff: ops + fin)")
    assert entry.user.get_username() == "fin"
    assert entry.content_type is not None
    assert entry.content_type.model == "paymentaccount"
    assert keys_of(PaymentAccount.objects.get()).secrets["secret"] == NEW


def test_token_is_announced_and_audited(client: Client, operations: User, account: PaymentAccount) -> None:
    form = {
        "name": "ERP", "merchant": account.merchant.pk, "scopes": ["orders:read", "orders:write", "shipments:write"],
    }  # fmt: skip
    page = client.post("/admin/orders/apiclient/add/", form).content.decode()
    token = shown_token(page)
    made = ApiClient.objects.get()

    entries = AuditEntry.objects.filter(table_name="orders_apiclient", row_id=made.pk)
    assert {(entry.column_name, entry.database_user) for entry in entries} == {
        ("token", "staff: ops"), ("scopes", "staff: ops"),
    }  # fmt: skip
    mails = StaffMail.objects.order_by("address")
    assert [mail.address for mail in mails] == ["fin@shop.test", "sup@shop.test"]
    assert all("ERP" in mail.subject and token not in mail.body for mail in mails)


def test_token_pays_and_ships_nothing(client: Client, operations: User, account: PaymentAccount) -> None:
    payment, warehouse = build.build_payment(account), build_warehouse()
    form = {
        "name": "ERP", "merchant": account.merchant.pk, "scopes": ["orders:read", "orders:write", "shipments:write"],
    }  # fmt: skip
    page = client.post("/admin/orders/apiclient/add/", form).content.decode()
    bearer = {"authorization": f"Bearer {shown_token(page)}"}
    order = payment.order
    calls: Any = Client(headers=bearer)
    confirmation = {
        "order": order.number, "warehouse": warehouse.slug, "carrier": "sf", "tracking_number": "SF1234567890123",
    }  # fmt: skip
    answer = calls.post(
        "/api/v1/shipments/confirm/", {"confirmations": [confirmation]}, content_type="application/json"
    )
    assert answer.json()["results"][0]["code"] == "not_paid"
    for method in ("patch", "put", "delete"):
        refused = getattr(calls, method)(
            f"/api/v1/orders/{order.number}/", {"status": "paid"}, "application/json"
        )
        assert refused.status_code == 405
    order.refresh_from_db()
    assert order.status == "pending"


def test_token_that_works_again_is_announced(client: Client, operations: User) -> None:
    made = ApiClient.objects.create(
        merchant=build_merchant(), name="ERP", token_digest="a", token_hint="a", is_active=False
    )
    client.post(f"/admin/orders/apiclient/{made.pk}/do/on/", {})
    entry = AuditEntry.objects.get(table_name="orders_apiclient")
    assert (entry.column_name, entry.old_value, entry.new_value) == ("is_active", "False", "True")
    assert StaffMail.objects.count() == 2


def test_token_of_a_command_is_announced(operations: User) -> None:
    build_merchant()
    call_command("add_api_client", "--merchant", "demo", "--scope", "orders:read")
    assert AuditEntry.objects.filter(table_name="orders_apiclient", column_name="token").count() == 1
    assert StaffMail.objects.count() == 2


def test_switches_of_the_shop_are_proposed(client: Client, operations: User) -> None:
    merchant = build_merchant()
    forged = {
        "name": "Shop", "payment_timeout_minutes": "30", "is_active": "on", "allows_single_operator": "on",
        "single_operator_wait_minutes": "5", "late_payments": "refund", "members-TOTAL_FORMS": "0",
        "members-INITIAL_FORMS": "0",
    }  # fmt: skip
    client.post(f"/admin/orders/merchant/{merchant.pk}/change/", forged)
    client.post(f"/admin/orders/merchant/{merchant.pk}/do/switches/", {**forged, "reason": "x"})
    found = Merchant.objects.get()
    assert (found.allows_single_operator, found.late_payments) == (False, "ask")
    assert ChangeRequest.objects.get().status == "proposed"


def test_warehouse_and_carrier_have_no_way_to_money(client: Client, operations: User) -> None:
    warehouse = build_warehouse()
    forged = {"name": "W", "is_active": "on", "slug": "other", "merchant": "999", "secret": NEW}
    client.post(f"/admin/logistics/warehouse/{warehouse.pk}/change/", forged)
    found = Warehouse.objects.get(pk=warehouse.pk)
    assert (found.slug, found.merchant_id) == (warehouse.slug, warehouse.merchant_id)

    keys = {
        "customer": "c", "key": "k" * 8, "secret": "s" * 8, "salt": "x" * 8, "query_url": "https://poll.example/q",
        "subscribe_url": "https://poll.example/s", "label_url": "https://poll.example/l",
    }  # fmt: skip
    form = {"carrier": "kuaidi100", "slug": "k", "merchant": warehouse.merchant_id, "keys": json.dumps(keys)}
    client.post("/admin/logistics/carrieraccount/add/", form)
    made = CarrierAccount.objects.get()
    entry = AuditEntry.objects.get(table_name="logistics_carrieraccount", row_id=made.pk, column_name="key")
    assert (entry.new_value, entry.database_user) == (fingerprint("k" * 8), "staff: ops")


@pytest.mark.parametrize("page", ["auth/user", "auth/group"])
def test_people_and_roles_are_closed(page: str, client: Client, operations: User) -> None:
    before = (User.objects.count(), set(operations.groups.values_list("name", flat=True)))
    for tail in ("", "add/", f"{operations.pk}/change/"):
        form = {"username": "second", "name": "finance", "is_superuser": "on", "groups": ["1", "2", "3", "4"]}
        assert client.post(f"/admin/{page}/{tail}", form).status_code in (403, 404, 302)
    assert (User.objects.count(), set(operations.groups.values_list("name", flat=True))) == before
    assert not User.objects.filter(is_superuser=True).exists()
