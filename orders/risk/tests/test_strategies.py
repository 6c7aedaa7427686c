"""Which strategies are in force, what they count, and what a hit says."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from orders.risk import strategies
from orders.risk.networks import counted_network
from orders.risk.strategies import StrategyRule
from orders.risk.tests.past_attempts import NOON, Memory, PastAttempt

HOUR = timedelta(hours=1)
DEVICE = StrategyRule("device", "device", 600, 2, "hold")


@pytest.mark.parametrize(
    ("kind", "same", "other"),
    [
        ("device", {"buyer": "b2", "phone": "13900000000"}, {"device_id": "device-2"}),
        ("ip", {"buyer": "b2", "device_id": "device-2"}, {"client_ip": "8.8.4.4"}),
        ("phone", {"buyer": "b2", "device_id": "device-2"}, {"phone": "13900000000"}),
        ("address", {"buyer": "b2", "phone": "13900000000"}, {"address": "广东省深圳市南山区科技园2号"}),
        ("velocity", {"products": ("lid-2",), "device_id": "device-2"}, {"buyer": "b2"}),
    ],
)
def test_counts_what_its_kind_says(kind: str, same: dict[str, str], other: dict[str, str]) -> None:
    rule, memory = StrategyRule(kind, kind, 600, 2, "log"), Memory()
    memory.judge(PastAttempt(), [rule])
    memory.judge(PastAttempt(**other), [rule])  # type: ignore[arg-type]
    memory.judge(PastAttempt(merchant_id=2), [rule])

    assert memory.judge(PastAttempt(**same), [rule]).hits == ()  # type: ignore[arg-type]

    [hit] = memory.judge(PastAttempt(**same), [rule]).hits  # type: ignore[arg-type]
    assert (hit.rule, hit.count) == (rule, 3)


def test_window_slides() -> None:
    memory = Memory()
    for after in (0, 300, 601, 900):
        assert memory.judge(PastAttempt(), [DEVICE], after=after).hits == ()
    assert memory.judge(PastAttempt(), [DEVICE], after=901).action == "hold"


@pytest.mark.parametrize(
    ("kind", "nothing"),
    [
        ("device", PastAttempt(device_id="")),
        ("ip", PastAttempt(client_ip="10.1.2.3")),
        ("phone", PastAttempt(phone="")),
        ("address", PastAttempt(address="")),
        ("amount_pattern", PastAttempt(device_id="")),
    ],
)
def test_what_is_not_given_is_not_counted(kind: str, nothing: PastAttempt) -> None:
    assert strategies.windows_of(nothing, [StrategyRule(kind, kind, 600, 1, "hold")]) == []


def test_amount_pattern_counts_other_buyers() -> None:
    """One device, one total: what this buyer did before does not count, what other accounts did does."""
    rule, memory = StrategyRule("amount_pattern", "amount_pattern", 3600, 2, "hold"), Memory()
    for _again in range(5):
        assert memory.judge(PastAttempt(), [rule]).hits == ()

    memory.judge(PastAttempt(buyer="b2", amount=Decimal("88.90")), [rule])
    assert memory.judge(PastAttempt(buyer="b3", amount=Decimal("88.90")), [rule]).hits == ()

    [hit] = memory.judge(PastAttempt(buyer="b2"), [rule]).hits
    assert (hit.count, hit.value) == (5, "device…(8)")


def test_attempts_are_counted_for_each_product() -> None:
    rule = StrategyRule("attempts", "attempts", 300, 3, "hold")
    tried = PastAttempt(products=("cup-1", "lid-2"))
    cup, lid = strategies.windows_of(tried, [rule])
    assert strategies.product_counts(tried, rule, {cup: 4, lid: 1}) == {"cup-1": 4, "lid-2": 1}
    assert strategies.attempts_rules([DEVICE, rule]) == (rule,)
    assert strategies.judge(tried, [rule], {cup: 4}).hits == ()
    assert strategies.hits_of(tried, [rule], {cup: 4})[0].count == 4


def test_strongest_action_counts_outside_dry_runs() -> None:
    memory = Memory()
    rules = [
        StrategyRule("a", "device", 600, 1, "warn"),
        StrategyRule("b", "ip", 900, 1, "hold"),
        StrategyRule("c", "phone", 1200, 1, "refuse", is_dry_run=True),
    ]
    assert memory.judge(PastAttempt(), rules).action == ""

    found = memory.judge(PastAttempt(), rules)
    assert [hit.rule.slug for hit in found.hits] == ["a", "b", "c"]
    assert (found.action, found.retry_after) == ("hold", 0)

    rules.append(StrategyRule("d", "velocity", 1500, 0, "refuse"))
    refused = memory.judge(PastAttempt(), rules)
    assert (refused.action, refused.retry_after) == ("refuse", 1500)


def test_hit_says_what_it_saw_without_names() -> None:
    memory = Memory()
    rules = [StrategyRule(kind, kind, 60, 1, "log") for kind in ("phone", "address", "device", "ip")]
    memory.judge(PastAttempt(client_ip="2409:8a00:1:2::3"), rules)
    hits = memory.judge(PastAttempt(client_ip="2409:8a00:1:2::4"), rules).hits
    assert hits[0].seen == {
        "count": 2, "threshold": 1, "window": 60, "value": "138****8000", "action": "log", "dry_run": False,
    }  # fmt: skip
    assert [hit.value for hit in hits[1:]] == ["广东省深圳市…(14)", "device…(8)", "2409:8a00:1:2::/64"]


def test_rules_of_one_window_share_a_count() -> None:
    rules = [DEVICE, StrategyRule("more", "device", 600, 20, "refuse")]
    assert len(strategies.windows_of(PastAttempt(), rules)) == 1
    other = StrategyRule("longer", "device", 900, 2, "hold")
    names = {window.digest(1) for window in strategies.windows_of(PastAttempt(), [DEVICE, other])}
    assert len(names) == 2


def test_own_and_timed_rules_go_first() -> None:
    everywhere = StrategyRule("a", "device", 600, 2, "hold")
    sale = StrategyRule("b", "device", 600, 20, "hold", active_from=NOON, active_until=NOON + HOUR)
    own = StrategyRule("c", "device", 600, 5, "log", merchant_id=1)
    own_sale = StrategyRule("d", "device", 600, 50, "log", merchant_id=1, active_until=NOON + HOUR)
    other_kind = StrategyRule("e", "ip", 600, 5, "log")
    rules = (everywhere, sale, own, own_sale, other_kind)

    def slugs(merchant_id: int, hours: int) -> str:
        return "".join(rule.slug for rule in strategies.in_force(rules, merchant_id, NOON + hours * HOUR))

    assert [slugs(2, -1), slugs(2, 0), slugs(2, 1)] == ["ae", "be", "ae"]
    assert [slugs(1, 0), slugs(1, 1)] == ["de", "ce"]


def test_dry_run_displaces_nothing() -> None:
    own = StrategyRule("own", "device", 600, 1, "refuse", merchant_id=1, is_dry_run=True)
    assert strategies.in_force((DEVICE, own), 1, NOON) == (DEVICE, own)
    assert strategies.in_force((DEVICE, own), 2, NOON) == (DEVICE,)


@pytest.mark.parametrize(
    ("given", "counted"),
    [
        ("8.8.8.8", "8.8.8.8"),
        (" 8.8.8.8 ", "8.8.8.8"),
        ("::ffff:8.8.8.8", "8.8.8.8"),
        ("2409:8a00:1:2:3:4:5:6", "2409:8a00:1:2::/64"),
        ("100.64.0.1", ""),
        ("192.168.1.1", ""),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("::ffff:10.0.0.1", ""),
        ("fd00::1", ""),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_network_of_an_address(given: str, counted: str) -> None:
    assert counted_network(given) == counted
