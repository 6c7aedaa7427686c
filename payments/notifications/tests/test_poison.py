"""One row in a thousand that cannot be processed: it is parked with a case; the others are applied."""

from __future__ import annotations

import pytest
from django.db.models import Count
from django.utils import timezone

from ordersite.queue import claims
from payments.models import PaymentException, PaymentNotification
from payments.notifications.apply import drain_notifications
from payments.tests import builders as build

pytestmark = pytest.mark.django_db(transaction=True)


def outcomes() -> dict[str, int]:
    return dict(PaymentNotification.objects.order_by().values_list("outcome").annotate(n=Count("pk")))


def test_bad_row_is_parked_and_999_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MOST_ATTEMPTS", 2)
    account, payment = build.build_alipay(), build.build_payment(build.build_webhook())
    rows = [
        PaymentNotification(
            account=account, event_id=f"e{n}", check_result="verified", kind="other", reference=f"R{n}", body_digest="ab",
            due_at=timezone.now(),
        )
        for n in range(998)
    ]  # fmt: skip
    rows[417].kind = "nonsense"
    PaymentNotification.objects.bulk_create(rows)
    build.post_webhook(*build.webhook_call(payment))
    build.post_webhook(*build.webhook_call(payment))
    drain_notifications()
    assert outcomes() == {"noted": 997, "applied": 1, "duplicate": 1, "": 1}
    PaymentNotification.objects.filter(outcome="").update(due_at=timezone.now())
    drain_notifications()
    assert outcomes() == {"noted": 997, "applied": 1, "duplicate": 1, "poison": 1}
    case = PaymentException.objects.get()
    assert (case.kind, case.notification_id) == (
        "poison",
        PaymentNotification.objects.get(event_id="e417").pk,
    )
