"""The list of notifications finds rare outcomes by an index that holds nothing else."""

from __future__ import annotations

import pytest
from django.db import connection

from payments.models import PaymentNotification

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]


@pytest.mark.parametrize(
    ("outcome", "by_index"),
    [
        ("unknown_order", True),
        ("amount_mismatch", True),
        ("rejected", True),
        ("applied", False),
        ("duplicate", False),
        ("", False),
    ],
)
def test_only_rare_outcomes_are_in_the_index(outcome: str, by_index: bool) -> None:
    rows = PaymentNotification.objects.filter(outcome=outcome).order_by("-id")[:50]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert ("notification_rare_outcome" in rows.explain()) == by_index
