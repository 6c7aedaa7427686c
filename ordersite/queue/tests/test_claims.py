"""A claim takes exactly its rows, whatever plan the database chooses."""

from __future__ import annotations

import pytest
from django.db import connection
from django.utils import timezone

from ordersite.queue import claims
from ordersite.queue.models import Delivery

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_no_plan_claims_more_than_the_limit() -> None:
    """With a plain subquery this plan ran it for each row, and claimed all of them."""
    for number in range(12):
        Delivery.objects.create(handler="h", event="e", subject_id=number, event_at=timezone.now())
    with connection.cursor() as cursor:
        for name in ("hashjoin", "mergejoin", "material", "hashagg", "sort"):
            cursor.execute(f"SET LOCAL enable_{name} = off")
    claimed = claims.claim(Delivery, limit=5)
    assert len(claimed) == 5
    assert Delivery.objects.filter(attempts=0).count() == 7
