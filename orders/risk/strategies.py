"""Strategies against abuse: which are in force, what they count an attempt under, and what their counts mean.

Everything here is pure. A strategy counts attempts, the refused ones too, for one merchant; a replay is no attempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Protocol

from orders.models import RiskAction, StrategyKind
from orders.risk.networks import counted_network
from orders.risk.windows.window import Window
from ordersite.lib.masking import mask_phone, shorten_secret

# An order of more products is counted under the first of them: each one costs the store a set.
MOST_PRODUCTS = 50
_SHOWN = 6
_STRENGTH = {action: strength for strength, action in enumerate(RiskAction.values)}


class Traits(Protocol):
    """What strategies look at: an attempt of now, or one of the past. `address` is normalised, `amount` is yuan."""

    @property
    def merchant_id(self) -> int: ...
    @property
    def buyer(self) -> str: ...
    @property
    def products(self) -> tuple[str, ...]: ...
    @property
    def amount(self) -> Decimal: ...
    @property
    def phone(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def device_id(self) -> str: ...
    @property
    def client_ip(self) -> str: ...


@dataclass(frozen=True, slots=True)
class StrategyRule:
    """A strategy as plain data; see `orders.models.RiskStrategy`. Times are UTC."""

    slug: str
    kind: str
    window_seconds: int
    threshold: int
    action: str
    merchant_id: int | None = None
    is_dry_run: bool = False
    active_from: datetime | None = None
    active_until: datetime | None = None

    @property
    def is_timed(self) -> bool:
        return self.active_from is not None or self.active_until is not None

    @property
    def precedence(self) -> tuple[bool, bool]:
        """The highest counts: a shop's own rule before that of every shop, then a timed one before one without a time."""
        return self.merchant_id is not None, self.is_timed

    def applies(self, merchant_id: int, at: datetime) -> bool:
        """Whether it is about this shop at this time (UTC)."""
        begun = self.active_from is None or self.active_from <= at
        ended = self.active_until is not None and self.active_until <= at
        return self.merchant_id in (None, merchant_id) and begun and not ended

    def window(self, value: str, part: str = "") -> Window:
        """Counts under this value; rules that count the same within the same time share one count."""
        return Window(_name(self.kind, part, self.window_seconds), value, self.window_seconds)


@lru_cache(maxsize=1024)
def _name(kind: str, part: str, seconds: int) -> str:
    return ":".join(filter(None, (kind, part, str(seconds))))


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that counted more than its threshold. `value` is what it counted under, masked."""

    rule: StrategyRule
    count: int
    value: str

    @property
    def seen(self) -> dict[str, object]:
        """What the log keeps: the figures by which the rule judged."""
        return {
            "count": self.count,
            "threshold": self.rule.threshold,
            "window": self.rule.window_seconds,
            "value": self.value,
            "action": self.rule.action,
            "dry_run": self.rule.is_dry_run,
        }


@dataclass(frozen=True, slots=True)
class Judgement:
    """All hits of one attempt. `action` is the strongest one outside a dry run, "" where there is none."""

    hits: tuple[Hit, ...] = ()

    @property
    def effective(self) -> tuple[Hit, ...]:
        return tuple(hit for hit in self.hits if not hit.rule.is_dry_run)

    @property
    def action(self) -> str:
        return max((hit.rule.action for hit in self.effective), key=_STRENGTH.__getitem__, default="")

    @property
    def retry_after(self) -> int:
        """Seconds after which no rule that refuses would hit any more, if nothing more is tried; 0: none refuses."""
        refusing = [hit.rule for hit in self.effective if hit.rule.action == RiskAction.REFUSE]
        return max((rule.window_seconds for rule in refusing), default=0)


def in_force(rules: Iterable[StrategyRule], merchant_id: int, at: datetime) -> tuple[StrategyRule, ...]:
    """Return the rules that judge an attempt at this shop at this time (UTC).

    Of each kind those with the highest precedence alone count, so that a sale or a shop can have looser values. Dry
    runs stand beside them and displace none.
    """
    applying = [rule for rule in rules if rule.applies(merchant_id, at)]
    real = [rule for rule in applying if not rule.is_dry_run]
    highest: dict[str, tuple[bool, bool]] = {}
    for rule in real:
        highest[rule.kind] = max(highest.get(rule.kind, rule.precedence), rule.precedence)
    return tuple(rule for rule in applying if rule.is_dry_run or rule.precedence == highest[rule.kind])


def windows_of(attempt: Traits, rules: Sequence[StrategyRule]) -> list[Window]:
    """Return each window once in which the rules want the attempt counted; what it does not carry is not counted."""
    found = (window for rule in rules for window in _windows(attempt, rule))
    return list(dict.fromkeys(found))


def judge(attempt: Traits, rules: Sequence[StrategyRule], counts: Mapping[Window, int]) -> Judgement:
    """Judge an attempt by the counts of `windows_of`, itself included. Windows that are missing count nothing.

    Rules of the kind `attempts` are left to the review of suspected brushing, which wants a count for each product.
    """
    judged = [rule for rule in rules if rule.kind != StrategyKind.ATTEMPTS]
    return Judgement(hits_of(attempt, judged, counts))


def hits_of(attempt: Traits, rules: Sequence[StrategyRule], counts: Mapping[Window, int]) -> tuple[Hit, ...]:
    """Return the hits of rules of every kind."""
    counted = ((rule, _count(attempt, rule, counts)) for rule in rules)
    return tuple(
        Hit(rule, count, _masked(attempt, rule.kind)) for rule, count in counted if count > rule.threshold
    )


def attempts_rules(rules: Iterable[StrategyRule]) -> tuple[StrategyRule, ...]:
    """Return the rules about attempts for one product."""
    return tuple(rule for rule in rules if rule.kind == StrategyKind.ATTEMPTS)


def product_counts(attempt: Traits, rule: StrategyRule, counts: Mapping[Window, int]) -> dict[str, int]:
    """Return for each product how often this buyer has tried to order it, by a rule of the kind `attempts`."""
    return {product: counts.get(window, 0) for product, window in _by_product(attempt, rule)}


def _windows(attempt: Traits, rule: StrategyRule) -> list[Window]:
    if rule.kind == StrategyKind.ATTEMPTS:
        return [window for _product, window in _by_product(attempt, rule)]
    if rule.kind == StrategyKind.AMOUNT_PATTERN:
        return list(_of_amount(attempt, rule)) if attempt.device_id else []
    value = _value(attempt, rule.kind)
    return [rule.window(value)] if value else []


def _by_product(attempt: Traits, rule: StrategyRule) -> list[tuple[str, Window]]:
    products = attempt.products[:MOST_PRODUCTS]
    return [(product, rule.window(f"{attempt.buyer}\n{product}")) for product in products]


def _of_amount(attempt: Traits, rule: StrategyRule) -> tuple[Window, Window]:
    """The same total from the same device: of all buyers, and of this buyer alone."""
    value = f"{attempt.device_id}\n{attempt.amount}"
    return rule.window(value, "all"), rule.window(f"{value}\n{attempt.buyer}", "own")


def _count(attempt: Traits, rule: StrategyRule, counts: Mapping[Window, int]) -> int:
    found = [counts.get(window, 0) for window in _windows(attempt, rule)]
    if rule.kind == StrategyKind.AMOUNT_PATTERN and found:
        everybody, own = found
        return everybody - own
    return max(found, default=0)


def _value(attempt: Traits, kind: str) -> str:
    """What a rule of this kind counts under; "" where the attempt does not carry it."""
    match kind:
        case StrategyKind.DEVICE:
            return attempt.device_id
        case StrategyKind.IP:
            return counted_network(attempt.client_ip)
        case StrategyKind.PHONE:
            return attempt.phone
        case StrategyKind.ADDRESS:
            return attempt.address
        case StrategyKind.VELOCITY:
            return attempt.buyer
    return ""


def _masked(attempt: Traits, kind: str) -> str:
    match kind:
        case StrategyKind.IP:
            return counted_network(attempt.client_ip)
        case StrategyKind.PHONE:
            return mask_phone(attempt.phone)
        case StrategyKind.ADDRESS:
            return shorten_secret(attempt.address, keep=_SHOWN)
        case StrategyKind.DEVICE | StrategyKind.AMOUNT_PATTERN:
            return shorten_secret(attempt.device_id, keep=_SHOWN)
    return attempt.buyer
