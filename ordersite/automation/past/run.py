"""Does dry runs by the clock: the version's own conditions over the facts of past days. No order is touched."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils import timezone

from ordersite.automation.engine.compiled import group_of, judge
from ordersite.automation.errors import not_permitted
from ordersite.automation.models import AutomationRule, DryRun, DryRunRow
from ordersite.automation.past.facts import past_facts
from ordersite.automation.rules.rights import MANAGE
from ordersite.automation.snapshots.facts import RuleFact
from ordersite.automation.snapshots.read import read
from ordersite.database import bulk
from ordersite.queue import claims, wakeups

TASK = "automation.run_dry_runs"
MOST_DAYS, MOST_ROWS, MOST_ATTEMPTS, CHUNK = 30, 1_000, 3, 500
FAULT = "fault"

logger = logging.getLogger(__name__)


def start_dry_run(rule: AutomationRule, *, days: int, by: AbstractUser) -> DryRun:
    """Ask for a dry run of a rule's current version over the last days. Raises `DomainError` not_permitted."""
    if not by.has_perm(MANAGE) or rule.current is None:
        raise not_permitted()
    now = timezone.now()
    since = now - timedelta(days=min(max(days, 1), MOST_DAYS))
    with transaction.atomic():
        dry_run = DryRun.objects.create(version=rule.current, since=since, until=now, started_by_id=by.pk)
        transaction.on_commit(lambda: wakeups.wake(TASK))
    return dry_run


def look_at(dry_run: DryRun, *, by: AbstractUser) -> None:
    """Record that a person has looked at a finished dry run. Raises `DomainError` not_permitted."""
    if not by.has_perm(MANAGE):
        raise not_permitted()
    finished = DryRun.objects.filter(pk=dry_run.pk, done_at__isnull=False, problem="", looked_at__isnull=True)
    finished.update(looked_at=timezone.now(), looked_by=by.pk)


def run_dry_runs() -> int:
    """Do the dry runs that wait; returns how many were tried."""
    tried = 0
    for batch in claims.walk(DryRun, size=1):
        _try(batch[0])
        tried += 1
    return tried


def _try(claimed: claims.Claim) -> None:
    if claimed.attempts > MOST_ATTEMPTS:
        _mine(claimed, problem=FAULT)
        return
    try:
        with transaction.atomic():
            _do(DryRun.objects.select_related("version").get(pk=claimed.id), claimed)
    except Exception as error:  # the edge: it is tried again, then the page says so
        logger.warning("dry run failed", exc_info=error, extra={"row": claimed.id})
        if claimed.attempts < MOST_ATTEMPTS:
            claims.postpone(DryRun, claimed, error)
        else:
            _mine(claimed, problem=FAULT)


def _mine(claimed: claims.Claim, **values: object) -> int:
    """Write the end of a dry run that nobody else has taken over."""
    own = DryRun.objects.filter(pk=claimed.id, attempts=claimed.attempts, done_at__isnull=True)
    return own.update(done_at=timezone.now(), leased_until=None, **values)


def _do(dry_run: DryRun, claimed: claims.Claim) -> None:
    past = past_facts(dry_run.version, dry_run.since, dry_run.until)
    matched = list(would_act(dry_run, past.facts))
    hours = Counter(row.at.replace(minute=0, second=0, microsecond=0) for row in matched)
    values = {"facts": len(past.facts), "matched": len(matched), "is_cut": past.is_cut}
    if _mine(claimed, busiest_hour=max(hours.values(), default=0), **values):
        kept = matched[-MOST_ROWS:]
        for position, row in enumerate(kept):
            row.position = position
        bulk.insert_rows(DryRunRow, kept)


def would_act(dry_run: DryRun, facts: Sequence[RuleFact]) -> Iterator[DryRunRow]:
    """The facts at which the version would have acted, with what it would have seen: judged as the engine judges."""
    version = dry_run.version
    group = group_of(version)
    keys = tuple(group.fields())
    for start in range(0, len(facts), CHUNK):
        part = facts[start : start + CHUNK]
        for fact, (order, values) in zip(part, read(part, keys), strict=True):
            found = judge(group, values, keys)
            is_own = order is not None and version.merchant_id in (None, order.merchant_id)
            if is_own and found.is_match:
                yield _row(dry_run, fact, found.seen)


def _row(dry_run: DryRun, fact: RuleFact, seen: dict[str, object]) -> DryRunRow:
    return DryRunRow(
        dry_run=dry_run, position=0, order_id=fact.order_id, fact=fact.key, at=fact.at, seen=seen
    )
