"""Does the actions of runs, one by one and in their order, each in a transaction of its own with its result.

A process that dies has either done an action or not; another takes the run over once its lease is over. What fails is
written on the action, and the next one is done all the same. Each is done with the rights that the owner has then.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone, translation

from ordersite.automation.actions.interface import ActionOutcome, ActionTask
from ordersite.automation.actions.registry import ACTIONS, DIED, FAULT, NOT_PERMITTED, PAUSED, UNKNOWN
from ordersite.automation.models import ActionRun, ActionState, RulePause, RuleRun, RunState
from ordersite.automation.rules import pause
from ordersite.automation.rules.rights import MANAGE, rights_of
from ordersite.database.locking import update_in_order
from ordersite.lib.errors import DomainError
from ordersite.queue import claims, outbox
from ordersite.queue.claims import SQLITE_PAUSE_SECONDS, Claim

SECONDS_A_RUN = 10.0
BATCH = 50
MOST_ATTEMPTS = 3
Rights = Mapping[int, frozenset[str] | None]

logger = logging.getLogger(__name__)


def run_actions(*, seconds: float = SECONDS_A_RUN) -> int:
    """Do the actions of waiting runs for at most about `seconds`; returns how many runs were tried."""
    until, tried = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        batch = claims.claim(RuleRun, limit=BATCH)
        if not batch:
            break
        with translation.override(settings.LANGUAGE_CODE):
            _work_on(batch)
        tried += len(batch)
        if connection.vendor == "sqlite":
            time.sleep(SQLITE_PAUSE_SECONDS)
    return tried


def _work_on(batch: Sequence[Claim]) -> None:
    """Do what is left of some runs, then mark them as done; those are put off of which an action is to be tried again.

    Runs, actions and the owners' rights are read once for the batch, right before it.
    """
    ids = [claimed.id for claimed in batch]
    runs = RuleRun.objects.select_related("rule__owner", "version").in_bulk(ids)
    rights = rights_of({run.rule.owner_id for run in runs.values()})
    left: defaultdict[int, list[ActionRun]] = defaultdict(list)
    for row in ActionRun.objects.filter(run__in=ids, done_at__isnull=True).order_by("run_id", "position"):
        left[row.run_id].append(row)
    finished = list[int]()
    for claimed in batch:
        problems = [_do(runs[claimed.id], row, claimed, rights) for row in left[claimed.id]]
        problem = next((one for one in problems if one is not None), None)
        if problem is None:
            finished.append(claimed.id)
        else:
            claims.postpone(RuleRun, claimed, problem)
    _finish(finished)


def _finish(ids: Sequence[int]) -> None:
    """Mark runs as done, all of whose actions are: their rows were locked while they were done."""
    failed = ActionRun.objects.filter(run__in=ids, state=ActionState.FAILED).values_list("run_id", flat=True)
    trouble = set(failed)
    for state, own in ((RunState.TROUBLE, trouble), (RunState.DONE, set(ids) - trouble)):
        rows = RuleRun.objects.filter(pk__in=own, done_at__isnull=True)
        if own:
            with transaction.atomic():
                update_in_order(rows, state=state, done_at=timezone.now(), leased_until=None)


def _do(run: RuleRun, row: ActionRun, claimed: Claim, rights: Rights) -> Exception | None:
    """Do one action and write its result; returns the error where it is to be tried again."""
    if refusal := DIED if claimed.attempts > MOST_ATTEMPTS else _refusal(run, row, rights):
        _fail(row, refusal)
        return None
    try:
        with transaction.atomic():
            if _take(row, ActionOutcome(ActionState.DONE)):
                with outbox.caused_by(outbox.Cause((*run.chain, run.rule_id))):
                    outcome = ACTIONS[row.action].run(_task(run, row))
                _amend(row, outcome)
    except DomainError as refused:
        _fail(row, refused.code, refused.message)
    except Exception as error:  # the edge: the action is tried again, then the error is its result
        logger.warning("action of a rule failed", exc_info=error, extra={"row": row.pk})
        if claimed.attempts < MOST_ATTEMPTS:
            return error
        _fail(row, FAULT)
    return None


def _refusal(run: RuleRun, row: ActionRun, rights: Rights) -> str:
    """Why the action must not be done now; a rule whose owner may no longer do it is paused."""
    action, held = ACTIONS.get(row.action), rights[run.rule.owner_id]
    if action is None:
        return UNKNOWN
    if held is None:
        pause.pause(run.rule, RulePause.OWNER)
        return NOT_PERMITTED
    if missing := sorted({MANAGE, action.permission} - held):
        pause.pause(run.rule, RulePause.RIGHT, ", ".join(missing))
        return NOT_PERMITTED
    return "" if run.rule.is_on else PAUSED


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


def _take(row: ActionRun, outcome: ActionOutcome, words: str = "") -> bool:
    """Write a result, which also locks the action; False where another process has done it meanwhile."""
    rows = ActionRun.objects.filter(pk=row.pk, done_at__isnull=True)
    values = {"state": outcome.state, "code": outcome.code[:60], "words": words[:300]}
    return rows.update(done_at=timezone.now(), **values) == 1


def _amend(row: ActionRun, outcome: ActionOutcome) -> None:
    """Write what became of an action that was taken as done."""
    if outcome.state != ActionState.DONE or outcome.code:
        ActionRun.objects.filter(pk=row.pk).update(state=outcome.state, code=outcome.code[:60])


def _fail(row: ActionRun, code: str, words: str = "") -> None:
    _take(row, ActionOutcome(ActionState.FAILED, code), words)
