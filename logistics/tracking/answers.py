"""Keeps on a carrier account when it last gave a usable answer, and why it has given none since."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from logistics.models import CarrierAccount

# An account that answers many times a second has its row written once in this time.
EXACT_TO = timedelta(minutes=1)


def note_answer(account_id: int) -> None:
    """The account gave a usable answer: a route, that it knows none, or that this one query cannot be answered."""
    now = timezone.now()
    is_old = Q(last_answer_at__isnull=True) | Q(last_answer_at__lt=now - EXACT_TO) | Q(last_answer_at__gt=now)
    rows = CarrierAccount.objects.filter(is_old | ~Q(last_problem=""), pk=account_id)
    rows.update(last_answer_at=now, last_problem="")


def note_problem(account_id: int, problem: str) -> None:
    """The account gave no usable answer; `problem` is a code, or a code and the carrier's own words."""
    CarrierAccount.objects.filter(pk=account_id).exclude(last_problem=problem).update(last_problem=problem)
