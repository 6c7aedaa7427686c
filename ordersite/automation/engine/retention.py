"""Forgets old runs: those whose conditions were not met soon, those that acted after half a year."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from ordersite.automation.models import DryRun, RuleRun, RunState
from ordersite.database.retention import delete_in_batches

# Longer than a schedule looks back, for a scheduled run that did not match is what keeps it from looking again.
UNMATCHED_FOR, DRY_RUNS_FOR = timedelta(days=3), timedelta(days=90)
SCHEDULED_FOR = ACTED_FOR = timedelta(days=180)


def forget_old_runs() -> int:
    """Delete what is old; returns how many rows."""
    now = timezone.now()
    unmatched = RuleRun.objects.filter(state=RunState.UNMATCHED, created_at__lt=now - UNMATCHED_FOR)
    acted = RuleRun.objects.filter(created_at__lt=now - ACTED_FOR, done_at__isnull=False)
    dry = DryRun.objects.filter(created_at__lt=now - DRY_RUNS_FOR, looked_at__isnull=True)
    return (
        delete_in_batches(unmatched.exclude(event__startswith="clock.").order_by("created_at"))
        + delete_in_batches(acted.order_by("created_at"))
        + delete_in_batches(dry.order_by("pk"))
    )
