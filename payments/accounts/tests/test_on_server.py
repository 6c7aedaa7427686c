"""Accounts that a command saves on the server: they hold at once, stand in the audit, and approvers get mail."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import pytest
from django.core.management import call_command

from orders.models import StaffMail
from orders.tests.builders import build_merchant
from ordersite.outside_accounts.fingerprints import fingerprint
from ordersite.queue.models import AuditEntry
from payments.accounts.keys import keys_of
from payments.manual.tests.proposals import person
from payments.models import PaymentAccount

pytestmark = pytest.mark.django_db
OLD, NEW = "whsec_" + "b2xk" * 8, "whsec_" + "bmV3" * 8


def set_account(folder: Path, secret: str) -> None:
    file = folder / "account.json"
    file.write_text(json.dumps({"secret": secret}))
    call_command("set_payment_account", "webhook", "shop", "--merchant", "demo", "--from-json", str(file))


def test_command_acts_at_once_and_is_audited(tmp_path: Path) -> None:
    build_merchant()
    set_account(tmp_path, OLD)

    set_account(tmp_path, NEW)

    assert keys_of(PaymentAccount.objects.get()).secrets["secret"] == NEW
    entry = AuditEntry.objects.filter(table_name="payments_paymentaccount").latest("id")
    assert (entry.column_name, entry.old_value, entry.new_value, entry.database_user) == (
        "secret", fingerprint(OLD), fingerprint(NEW), f"command:{getpass.getuser()}",
    )  # fmt: skip


def test_approvers_get_mail(tmp_path: Path) -> None:
    build_merchant()
    for name, role in (("fin", "finance"), ("sup", "supervisor"), ("ops", "operations"), ("agent", "agent")):
        person(name, role)

    set_account(tmp_path, NEW)

    mails = StaffMail.objects.order_by("address")
    assert [mail.address for mail in mails] == ["fin@shop.test", "sup@shop.test"]
    assert NEW not in mails[0].body
    assert "secret" in mails[0].body


def test_same_file_again_is_not_audited(tmp_path: Path) -> None:
    build_merchant()
    person("fin")
    set_account(tmp_path, NEW)
    known = (AuditEntry.objects.count(), StaffMail.objects.count())

    set_account(tmp_path, NEW)

    assert (AuditEntry.objects.count(), StaffMail.objects.count()) == known


def test_fingerprints_differ_and_reveal_no_key() -> None:
    assert len({fingerprint(OLD), fingerprint(NEW), fingerprint("")}) == 3
    assert fingerprint({"1": OLD}) != fingerprint({"1": NEW})
    assert OLD[:8] not in fingerprint(OLD)
