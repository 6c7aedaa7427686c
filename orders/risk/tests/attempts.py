"""Builder of attempts for tests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from orders.risk.attempt import Attempt
from orders.tests.calls import build_draft


def build_attempt(
    key: str, *, buyer: str = "buyer-1", at: datetime | None = None, merchant_id: int = 1, **draft: Any
) -> Attempt:
    """An attempt of client 7 for one cup, without rows in the database."""
    return Attempt(
        merchant_id=merchant_id,
        client_id=7,
        key=key,
        at=at or timezone.now(),
        draft=build_draft(buyer, **draft),
    )
