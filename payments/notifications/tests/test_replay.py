"""Replay by ids and by time, of verified and of rejected calls."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from payments.models import Payment, PaymentException, PaymentNotification
from payments.notifications.apply import drain_notifications
from payments.notifications.replay import replay
from payments.providers.alipay.tests.messages import key_pair
from payments.tests import builders as build

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("replay_inbox", *arguments, stdout=out)
    return out.getvalue().strip()


def printed(**counts: int) -> str:
    names = ("replayed", "verified", "still_rejected", "duplicates", "unknown")
    return ", ".join(f"{name.replace('_', ' ')}: {counts.get(name, 0)}" for name in names)


def orphan() -> PaymentNotification:
    """A notification that ended as unknown_order and whose attempt is there by now."""
    account = build.build_alipay()
    reference = build.new_reference()
    build.post_alipay(build.alipay_body(Payment(reference=reference, amount=build.yuan("199.00"))))
    PaymentNotification.objects.update(received_at=timezone.now() - timedelta(minutes=11))
    drain_notifications()
    build.build_payment(account, reference=reference)
    return build.only_notification()


def test_failed_row_is_applied_and_case_resolved() -> None:
    row = orphan()
    assert row.outcome == "unknown_order"
    since = (timezone.now() - timedelta(hours=1)).isoformat()
    assert run("--state", "failed", "--since", since) == printed(replayed=1)
    drain_notifications()
    assert (build.only_notification().outcome, Payment.objects.get().status) == ("applied", "paid")
    case = PaymentException.objects.get()
    assert (case.resolution, case.resolved_at is not None) == ("replayed", True)
    assert run("--state", "failed", "--since", since) == printed()


def test_applied_row_changes_nothing() -> None:
    payment = build.build_payment(build.build_alipay())
    build.post_alipay(build.alipay_body(payment))
    drain_notifications()
    row = build.only_notification()
    assert run("--id", str(row.pk), str(row.pk)) == printed(replayed=1)
    drain_notifications()
    payment.refresh_from_db()
    assert (build.only_notification().outcome, payment.status) == ("duplicate", "paid")
    assert payment.order.events.count() == 2


def test_rejected_call_is_verified_with_new_keys() -> None:
    account = build.build_alipay(alipay_public_key=key_pair("old alipay")[1])
    payment = build.build_payment(account)
    assert build.post_alipay(build.alipay_body(payment)).content == b"fail"
    row = build.only_notification()
    assert replay([row.pk], actor="test").as_dict() == {
        "replayed": 0, "verified": 0, "still_rejected": 1, "duplicates": 0, "unknown": 0,
    }  # fmt: skip
    build.build_alipay()
    assert run("--id", str(row.pk)) == printed(replayed=1, verified=1)
    drain_notifications()
    row.refresh_from_db()
    assert (row.check_result, row.reject_code, row.outcome, row.amount) == (
        "verified", "", "applied", build.yuan("199.00"),
    )  # fmt: skip


def test_rejected_call_with_a_good_retry_stays() -> None:
    account = build.build_alipay(alipay_public_key=key_pair("old alipay")[1])
    body = build.alipay_body(build.build_payment(account))
    build.post_alipay(body)
    rejected = build.only_notification()
    build.build_alipay()
    assert build.post_alipay(body).content == b"success"
    assert run("--id", str(rejected.pk)) == printed(duplicates=1)
    rejected.refresh_from_db()
    assert (rejected.check_result, rejected.outcome) == ("rejected", "rejected")


@pytest.mark.parametrize(
    "arguments", [(), ("--state", "failed"), ("--id", "1", "--state", "failed"), ("--since", "2026-11-22")]
)
def test_a_command_that_is_not_clear_is_refused(arguments: Any) -> None:
    with pytest.raises(CommandError):
        run(*arguments)


def test_unknown_id_is_an_error() -> None:
    with pytest.raises(CommandError, match="1 of these ids"):
        run("--id", "999999")
