"""Does the actions of runs, those of a run in their order, each in one transaction with its result.

What several runs of one rule do at the same place is one transaction, as far as the action takes a batch; a batch that
fails is halved down to the one that does. A process that dies has either done an action or not; another takes the run
over once its lease is over, and does alone what was tried before. What fails is written on the action, and the next one
is done all the same. Each is done with the rights that the owner has then.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone, translation

from ordersite.automation.actions.interface import ActionTask
from ordersite.automation.actions.registry import ACTIONS, DIED, FAULT, NOT_PERMITTED, PAUSED, UNKNOWN
from ordersite.automation.models import (
    ActionRun,
    ActionState,
    AutomationRule,
    RulePause,
    RuleRun,
    RuleVersion,
    RunState,
)
from ordersite.automation.rules import pause
from ordersite.automation.rules.rights import MANAGE, rights_of
from ordersite.database import bulk
from ordersite.database.locking import update_in_order
from ordersite.lib.errors import DomainError
from ordersite.queue import claims, outbox
from ordersite.queue.claims import SQLITE_PAUSE_SECONDS, Claim

SECONDS_A_RUN = 10.0
BATCH = 100
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


@dataclass(slots=True)
class _Todo:
    """An action to do, for a claimed run. `problem` is the error after which it is tried again."""

    rule: AutomationRule
    version: RuleVersion
    run: RuleRun
    row: ActionRun
    claimed: Claim
    problem: Exception | None = None

    @property
    def batch_key(self) -> tuple[object, ...]:
        """What is alike in those that are done together; a run that was tried before goes alone."""
        alone = self.run.pk if self.claimed.attempts > 1 else 0
        return (self.row.action, self.run.rule_id, tuple(self.run.chain), alone)

    def task(self) -> ActionTask:
        return ActionTask(
            rule_id=self.run.rule_id,
            rule_name=self.rule.name,
            run_id=self.run.pk,
            action_run_id=self.row.pk,
            order_id=self.run.order_id,
            owner=self.rule.owner,
            key=f"rule.{self.run.pk}.{self.row.position}",
            params=self.version.actions[self.row.position]["params"],
        )


def _work_on(batch: Sequence[Claim]) -> None:
    """Do what is left of some runs, then mark them as done; those are put off of which an action is to be tried again.

    Runs, actions and the owners' rights are read once for the batch, right before it.
    """
    claimed = {one.id: one for one in batch}
    runs = RuleRun.objects.in_bulk(list(claimed))
    rules = AutomationRule.objects.select_related("owner").in_bulk({run.rule_id for run in runs.values()})
    versions = RuleVersion.objects.in_bulk({run.version_id for run in runs.values()})
    rights = rights_of({rule.owner_id for rule in rules.values()})
    left: defaultdict[int, list[_Todo]] = defaultdict(list)
    rows = ActionRun.objects.filter(run__in=list(claimed), done_at__isnull=True)
    for row in rows.order_by("run_id", "position"):
        run = runs[row.run_id]
        todo = _Todo(rules[run.rule_id], versions[run.version_id], run, row, claimed[run.pk])
        left[run.pk].append(todo)
    for upcoming in zip_longest(*left.values()):
        _do_next([todo for todo in upcoming if todo is not None], rights)
    problems = {todo.run.pk: todo.problem for own in left.values() for todo in own if todo.problem}
    for pk, problem in problems.items():
        claims.postpone(RuleRun, claimed[pk], problem)
    _finish([pk for pk in claimed if pk not in problems])


def _do_next(todos: Sequence[_Todo], rights: Rights) -> None:
    """Do the next action of each run, those together that are alike."""
    alike: defaultdict[tuple[object, ...], list[_Todo]] = defaultdict(list)
    for todo in todos:
        if refusal := _refusal(todo, rights):
            _fail(todo.row, refusal)
        else:
            alike[todo.batch_key].append(todo)
    for own in alike.values():
        size = ACTIONS[own[0].row.action].at_once
        for start in range(0, len(own), size):
            _do(own[start : start + size])


def _finish(ids: Sequence[int]) -> None:
    """Mark runs as done, all of whose actions are: their rows were locked while they were done."""
    failed = ActionRun.objects.filter(run__in=ids, state=ActionState.FAILED).values_list("run_id", flat=True)
    trouble = set(failed)
    for state, own in ((RunState.TROUBLE, trouble), (RunState.DONE, set(ids) - trouble)):
        rows = RuleRun.objects.filter(pk__in=own, done_at__isnull=True)
        if own:
            with transaction.atomic():
                update_in_order(rows, state=state, done_at=timezone.now(), leased_until=None)


def _do(todos: Sequence[_Todo]) -> None:
    """Do actions that are alike and write their results; those that fail together are tried by halves."""
    try:
        with transaction.atomic():
            _run(_lock(todos))
    except Exception as error:  # the edge: a single action is tried again, then the error is its result
        if len(todos) > 1:
            middle = len(todos) // 2
            _do(todos[:middle])
            _do(todos[middle:])
        else:
            _note_problem(todos[0], error)


def _lock(todos: Sequence[_Todo]) -> list[_Todo]:
    """Lock the actions; without those that another process has done meanwhile."""
    rows = ActionRun.objects.filter(pk__in=[todo.row.pk for todo in todos], done_at__isnull=True)
    locked = set(rows.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    return [todo for todo in todos if todo.row.pk in locked]


def _run(todos: Sequence[_Todo]) -> None:
    if not todos:
        return
    run = todos[0].run
    with outbox.caused_by(outbox.Cause((*run.chain, run.rule_id))):
        outcomes = ACTIONS[todos[0].row.action].run([todo.task() for todo in todos])
    for todo, outcome in zip(todos, outcomes, strict=True):
        todo.row.state, todo.row.code, todo.row.done_at = outcome.state, outcome.code[:60], timezone.now()
    bulk.update_rows(ActionRun, [todo.row for todo in todos], ("state", "code", "done_at"))


def _note_problem(todo: _Todo, error: Exception) -> None:
    if isinstance(error, DomainError):
        _fail(todo.row, error.code, error.message)
        return
    logger.warning("action of a rule failed", exc_info=error, extra={"row": todo.row.pk})
    if todo.claimed.attempts < MOST_ATTEMPTS:
        todo.problem = error
    else:
        _fail(todo.row, FAULT)


def _refusal(todo: _Todo, rights: Rights) -> str:
    """Why the action must not be done now; a rule whose owner may no longer do it is paused."""
    rule, action = todo.rule, ACTIONS.get(todo.row.action)
    held = rights[rule.owner_id]
    if todo.claimed.attempts > MOST_ATTEMPTS:
        return DIED
    if action is None:
        return UNKNOWN
    if held is None:
        pause.pause(rule, RulePause.OWNER)
        return NOT_PERMITTED
    if missing := sorted({MANAGE, action.permission} - held):
        pause.pause(rule, RulePause.RIGHT, ", ".join(missing))
        return NOT_PERMITTED
    return "" if rule.is_on else PAUSED


def _fail(row: ActionRun, code: str, words: str = "") -> None:
    """Write a refusal, unless another process has done the action meanwhile."""
    waiting = ActionRun.objects.filter(pk=row.pk, done_at__isnull=True)
    waiting.update(state=ActionState.FAILED, code=code[:60], words=words[:300], done_at=timezone.now())
