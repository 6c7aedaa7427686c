"""New accounts and changed keys: the old ones hold until a second person approves; no secret is shown to anybody."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders.approvals import workflow
from orders.models import ChangeRequest, Merchant
from orders.tests.builders import build_merchant
from ordersite.lib.errors import DomainError
from ordersite.outside_accounts.fingerprints import fingerprint
from ordersite.queue.models import AuditEntry
from payments.accounts import save
from payments.accounts.change_kind import ACCOUNT, NewAccount, propose_account, propose_keys, propose_on
from payments.accounts.keys import keys_of
from payments.manual.tests.proposals import person
from payments.models import PaymentAccount

pytestmark = pytest.mark.django_db
OLD, NEW = "whsec_" + "b2xk" * 8, "whsec_" + "bmV3" * 8


def shop() -> PaymentAccount:
    return save.save_account("shop", provider="webhook", merchant=build_merchant(), values={"secret": OLD})


def secret(account: PaymentAccount) -> object:
    return keys_of(PaymentAccount.objects.get(pk=account.pk)).secrets["secret"]


def changed(account: PaymentAccount, user: User) -> ChangeRequest:
    return propose_keys(account.pk, {"secret": NEW}, user=user, reason="定期轮换")


def test_old_secret_holds_until_approved() -> None:
    account = shop()
    request = changed(account, person("ops", "operations"))
    assert secret(account) == OLD

    workflow.approve(ACCOUNT, request.pk, user=person("fin"), note="与平台核对")

    assert secret(account) == NEW
    entry = AuditEntry.objects.get(table_name="payments_paymentaccount", column_name="secret")
    assert (entry.column_name, entry.old_value, entry.new_value) == (
        "secret", fingerprint(OLD), fingerprint(NEW),
    )  # fmt: skip
    assert entry.database_user == "staff: ops + fin"


def switched_off() -> PaymentAccount:
    account = shop()
    PaymentAccount.objects.update(is_active=False)
    return account


def test_account_stays_off_until_approved() -> None:
    account = switched_off()
    request = propose_on(account.pk, user=person("ops", "operations"), reason="核对完毕")
    assert not PaymentAccount.objects.get().is_active

    workflow.approve(ACCOUNT, request.pk, user=person("fin"), note="ok")

    assert PaymentAccount.objects.get().is_active
    entry = AuditEntry.objects.get(table_name="payments_paymentaccount")
    assert (entry.column_name, entry.old_value, entry.new_value, entry.database_user) == (
        "is_active", "False", "True", "staff: ops + fin",
    )  # fmt: skip


def test_page_shows_the_switch_in_words() -> None:
    request = propose_on(switched_off().pk, user=person("ops", "operations"), reason="核对完毕")
    client = Client()
    client.force_login(person("fin"))

    page = client.get(reverse("admin:orders_changerequest_change", args=[request.pk])).content.decode()

    assert "<th scope=row>启用</th><td>否</td><td>是</td>" in page


def test_account_without_readable_secrets_is_switched() -> None:
    account = switched_off()
    PaymentAccount.objects.update(sealed_secrets="1:lost")
    request = propose_on(account.pk, user=person("ops", "operations"), reason="x")

    workflow.approve(ACCOUNT, request.pk, user=person("fin"), note="ok")

    assert PaymentAccount.objects.get().is_active


def test_new_account_is_not_there_until_approved() -> None:
    merchant = build_merchant()
    request = propose_account(
        NewAccount("shop", "webhook", merchant),
        {"secret": NEW},
        user=person("ops", "operations"),
        reason="开通",
    )
    assert not PaymentAccount.objects.exists()
    assert Client().post("/notify/webhook/shop/", b"{}", content_type="application/json").status_code == 404

    workflow.approve(ACCOUNT, request.pk, user=person("sup", "supervisor"), note="ok")

    account = PaymentAccount.objects.get(slug="shop")
    assert (account.provider, account.merchant, secret(account)) == ("webhook", merchant, NEW)


def test_refused_and_withdrawn_change_nothing() -> None:
    account, operations = shop(), person("ops", "operations")
    workflow.refuse(ACCOUNT, changed(account, operations).pk, user=person("fin"), note="不认识")
    workflow.withdraw(ACCOUNT, changed(account, operations).pk, user=operations, note="搞错了")
    assert secret(account) == OLD
    assert not AuditEntry.objects.filter(table_name="payments_paymentaccount").exists()


def test_request_and_page_show_no_secret() -> None:
    account = shop()
    request = changed(account, person("ops", "operations"))
    row = ChangeRequest.objects.filter(pk=request.pk).values().get()
    client = Client()
    client.force_login(person("fin"))

    page = client.get(reverse("admin:orders_changerequest_change", args=[request.pk])).content.decode()

    assert NEW not in json.dumps(row, default=str)
    assert NEW not in page
    assert fingerprint(NEW) in page


def test_newer_keys_are_not_overwritten() -> None:
    account = shop()
    request = changed(account, person("ops", "operations"))
    other = "whsec_" + "b3Ro" * 8
    save.change_account(account, {"secret": other})

    with pytest.raises(DomainError, match="changed_meanwhile"):
        workflow.approve(ACCOUNT, request.pk, user=person("fin"), note="ok")

    assert (secret(account), ChangeRequest.objects.get().status) == (other, "proposed")


def test_single_operator_waits_for_accounts() -> None:
    account, alone = shop(), person("alone", "operations")
    alone.groups.add(person("helper").groups.get())
    Merchant.objects.update(allows_single_operator=True, single_operator_wait_minutes=30)
    alone = User.objects.get(pk=alone.pk)
    request = changed(account, alone)
    with pytest.raises(DomainError, match="too_early"):
        workflow.approve(ACCOUNT, request.pk, user=alone, note="一个人")

    ChangeRequest.objects.update(proposed_at=timezone.now() - timedelta(minutes=31))
    workflow.approve(ACCOUNT, request.pk, user=alone, note="一个人")

    assert secret(account) == NEW


@pytest.mark.parametrize("role", ["viewer", "agent", "operations", "auditor"])
def test_approving_requires_the_permission(role: str) -> None:
    request = changed(shop(), person("ops", "operations"))
    client = Client()
    client.force_login(person("somebody", role))

    client.post(reverse("admin:orders_changerequest_do", args=[request.pk, "approve"]), {"reason": "ok"})

    assert ChangeRequest.objects.get().status == "proposed"


def test_bad_keys_are_refused_before_they_wait() -> None:
    account, operations = shop(), person("ops", "operations")
    with pytest.raises(DomainError, match="bad_account"):
        propose_keys(account.pk, {"secret": "x"}, user=operations, reason="x")
    with pytest.raises(DomainError, match="nothing_changes"):
        propose_keys(account.pk, {"secret": OLD}, user=operations, reason="x")
    assert not ChangeRequest.objects.exists()
