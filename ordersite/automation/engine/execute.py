"""Does the actions of runs, one by one and in their order, each in a transaction of its own with its result.

A process that dies has either done an action or not; another takes the run over once its lease is over. What fails is
written on the action, and the next one is done all the same. Each is done with the rights that the owner has then.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone, translation

from ordersite.automation.actions.interface import ActionOutcome, ActionTask
from ordersite.automation.actions.registry import ACTIONS, DIED, FAULT, NOT_PERMITTED, PAUSED, UNKNOWN
from ordersite.automation.models import ActionRun, ActionState, RulePause, RuleRun, RunState
from ordersite.automation.rules import pause
from ordersite.automation.rules.rights import may_own
from ordersite.lib.errors import DomainError
from ordersite.queue import claims, outbox
from ordersite.queue.claims import SQLITE_PAUSE_SECONDS, Claim

SECONDS_A_RUN = 10.0
BATCH = 20
MOST_ATTEMPTS = 3

logger = logging.getLogger(__name__)


def run_actions(*, seconds: float = SECONDS_A_RUN) -> int:
    """Do the actions of waiting runs for at most about `seconds`; returns how many runs were tried."""
    until, tried = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        batch = claims.claim(RuleRun, limit=BATCH)
        if not batch:
            break
        with translation.override(settings.LANGUAGE_CODE):
            for claimed in batch:
                _work_on(claimed)
        tried += len(batch)
        if connection.vendor == "sqlite":
            time.sleep(SQLITE_PAUSE_SECONDS)
    return tried


def _work_on(claimed: Claim) -> None:
    """Do what is left of one run, then mark it as done; put it off where an action is to be tried again."""
    run = RuleRun.objects.select_related("rule__owner", "version").get(pk=claimed.id)
    problem: Exception | None = None
    for row in ActionRun.objects.filter(run=run, done_at__isnull=True).order_by("position"):
        problem = _do(run, row, claimed) or problem
    if problem is not None:
        claims.postpone(RuleRun, claimed, problem)
        return
    states = set(ActionRun.objects.filter(run=run).values_list("state", flat=True))
    state = RunState.TROUBLE if ActionState.FAILED in states else RunState.DONE
    mine = RuleRun.objects.filter(pk=run.pk, attempts=claimed.attempts, done_at__isnull=True)
    mine.update(state=state, done_at=timezone.now(), leased_until=None)


def _do(run: RuleRun, row: ActionRun, claimed: Claim) -> Exception | None:
    """Do one action and write its result; returns the error where it is to be tried again."""
    if refusal := DIED if claimed.attempts > MOST_ATTEMPTS else _refusal(run, row):
        _fail(row, refusal)
        return None
    try:
        with transaction.atomic():
            if _lock(row):
                with outbox.caused_by(outbox.Cause((*run.chain, run.rule_id))):
                    outcome = ACTIONS[row.action].run(_task(run, row))
                _write(row, outcome)
    except DomainError as refused:
        _fail(row, refused.code, refused.message)
    except Exception as error:  # the edge: the action is tried again, then the error is its result
        logger.warning("action of a rule failed", exc_info=error, extra={"row": row.pk})
        if claimed.attempts < MOST_ATTEMPTS:
            return error
        _fail(row, FAULT)
    return None


def _refusal(run: RuleRun, row: ActionRun) -> str:
    """Why the action must not be done now; a rule whose owner may no longer do it is paused."""
    action = ACTIONS.get(row.action)
    if action is None:
        return UNKNOWN
    owner = User.objects.get(pk=run.rule.owner_id)  # with the rights of now, not those of the action before
    if not may_own(owner):
        pause.pause(run.rule, RulePause.OWNER if not owner.is_active else RulePause.RIGHT)
        return NOT_PERMITTED
    if not owner.has_perm(action.permission):
        pause.pause(run.rule, RulePause.RIGHT, action.permission)
        return NOT_PERMITTED
    run.rule.owner = owner
    return "" if type(run.rule).objects.filter(pk=run.rule_id, is_on=True).exists() else PAUSED


def _task(run: RuleRun, row: ActionRun) -> ActionTask:
    return ActionTask(
        rule_id=run.rule_id,
        rule_name=run.rule.name,
        run_id=run.pk,
        action_run_id=row.pk,
        order_id=run.order_id,
        owner=run.rule.owner,
        key=f"rule.{run.pk}.{row.position}",
        params=_params(run.version.actions, row.position),
    )


def _params(actions: list[Mapping[str, Any]], position: int) -> Mapping[str, str]:
    params: Mapping[str, str] = actions[position]["params"]
    return params


def _lock(row: ActionRun) -> bool:
    """Lock the action, unless another process has done it meanwhile."""
    rows = ActionRun.objects.select_for_update(no_key=True, of=("self",))
    return rows.filter(pk=row.pk, done_at__isnull=True).first() is not None


def _fail(row: ActionRun, code: str, words: str = "") -> None:
    with transaction.atomic():
        if _lock(row):
            _write(row, ActionOutcome(ActionState.FAILED, code), words)


def _write(row: ActionRun, outcome: ActionOutcome, words: str = "") -> None:
    ActionRun.objects.filter(pk=row.pk).update(
        state=outcome.state, code=outcome.code[:60], words=words[:300], done_at=timezone.now()
    )
