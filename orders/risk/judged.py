"""What the strategies make of a counted attempt: a refusal, grounds to hold its order, and notes for the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from orders.labels import SUSPECTED_BRUSHING
from orders.models import InterceptLayer, InterceptOutcome, RiskAction
from orders.risk import brushing, strategies
from orders.risk.attempt import Attempt
from orders.risk.brushing import AttemptLimits
from orders.risk.grounds import Grounds
from orders.risk.intercepts import InterceptNote
from orders.risk.strategies import Hit, StrategyRule
from orders.risk.windows.window import Window

_OUTCOMES = {
    RiskAction.LOG: InterceptOutcome.LOGGED,
    RiskAction.WARN: InterceptOutcome.WARNED,
    RiskAction.HOLD: InterceptOutcome.HELD,
    RiskAction.REFUSE: InterceptOutcome.REFUSED,
}


@dataclass(frozen=True, slots=True)
class Judged:
    """`refused_for`: seconds until a refusal heals, 0 where nothing refuses. `brushing`: grounds of the rule of attempts.

    `grounds` are those on which an order of this attempt is born held: of that rule, of a mark or of a strategy.
    """

    notes: tuple[InterceptNote, ...] = ()
    refused_for: int = 0
    grounds: Grounds | None = None
    brushing: Grounds | None = None


NOTHING = Judged()


def judge(attempt: Attempt, rules: Sequence[StrategyRule], counts: Mapping[Window, int]) -> Judged:
    """Judge an attempt by the counts of its windows. `rules` are those in force."""
    if max(counts.values(), default=0) <= min((rule.threshold for rule in rules), default=0):
        grounds = brushing.marked(attempt)  # nearly everybody: no rule can have counted too many
        return Judged(grounds=grounds) if grounds else NOTHING
    judgement = strategies.judge(attempt, rules, counts)
    too_often = list(_too_often(attempt, rules, counts))
    acting = [(rule, grounds) for rule, grounds in too_often if not rule.is_dry_run]
    held = [grounds for rule, grounds in acting if rule.action in (RiskAction.HOLD, RiskAction.REFUSE)]
    waits = [rule.window_seconds for rule, _grounds in acting if rule.action == RiskAction.REFUSE]
    return Judged(
        notes=(
            *(_note(hit) for hit in judgement.hits),
            *(_note_of_attempts(rule, grounds) for rule, grounds in too_often),
        ),
        refused_for=max([judgement.retry_after, *waits]),
        grounds=held[0] if held else _of_strategies(attempt, judgement.effective) or brushing.marked(attempt),
        brushing=held[0] if held else None,
    )


def _too_often(
    attempt: Attempt, rules: Sequence[StrategyRule], counts: Mapping[Window, int]
) -> Iterator[tuple[StrategyRule, Grounds]]:
    """The rules of attempts that this one breaks."""
    for rule in strategies.attempts_rules(rules):
        by_product = strategies.product_counts(attempt, rule, counts)
        limits = AttemptLimits(rule.threshold, rule.window_seconds)
        found = brushing.judge(attempt, by_product, limits)
        if found:
            yield rule, found.grounds()


def _of_strategies(attempt: Attempt, hits: Sequence[Hit]) -> Grounds | None:
    holding = [hit for hit in hits if hit.rule.action == RiskAction.HOLD]
    if not holding:
        return None
    longest = max(hit.rule.window_seconds for hit in holding)
    seen = {"strategies": [{"strategy": hit.rule.slug, "kind": hit.rule.kind, **hit.seen} for hit in holding]}
    return Grounds(SUSPECTED_BRUSHING, attempt.at - timedelta(seconds=longest), list(attempt.products), seen)


def _note(hit: Hit) -> InterceptNote:
    outcome = InterceptOutcome.LOGGED if hit.rule.is_dry_run else _OUTCOMES[RiskAction(hit.rule.action)]
    return InterceptNote(InterceptLayer.STRATEGY, outcome, strategy=hit.rule.slug, seen=hit.seen)


def _note_of_attempts(rule: StrategyRule, grounds: Grounds) -> InterceptNote:
    outcome = InterceptOutcome.LOGGED if rule.is_dry_run else _OUTCOMES[RiskAction(rule.action)]
    return InterceptNote(InterceptLayer.ATTEMPTS, outcome, strategy=rule.slug, seen=grounds.seen)
