"""Saving and switching: what is checked, whose rights count, and that only what was tried is switched on."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from ordersite.automation.models import AutomationRule, RulePause, RuleVersion
from ordersite.automation.rules.pause import pause_without_right
from ordersite.automation.rules.save import RuleDraft, add_rule, save_version
from ordersite.automation.rules.switch import switch_off, switch_on
from ordersite.automation.tests.builders import (
    TAG_IT,
    all_of,
    build_person,
    build_rule,
    build_running,
    look_at_dry_run,
    over,
)
from ordersite.health.models import Alert
from ordersite.lib.errors import DomainError

pytestmark = pytest.mark.django_db
REFUND = ({"action": "request_refund", "params": {"reason": "缺货"}},)


def draft(**changes: Any) -> RuleDraft:
    return RuleDraft(**{"name": "大额", "trigger": "order.paid", "actions": TAG_IT, **changes})


def test_a_new_rule_is_off_and_its_authors() -> None:
    author = build_person("operations")

    rule = add_rule(draft(conditions=all_of(over(500))), by=author)

    assert (rule.is_on, rule.owner, rule.current and rule.current.number) == (False, author, 1)
    assert rule.current
    assert rule.current.conditions == all_of(over(500))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": " "},
        {"trigger": "order.unheard"},
        {"trigger": "clock.unshipped"},
        {"trigger": "clock.unshipped", "hours": 0},
        {"actions": ()},
        {"actions": TAG_IT * 11},
        {"actions": ({"action": "delete_everything", "params": {}},)},
        {"actions": ({"action": "tag", "params": {"tag": ""}},)},
        {"actions": ({"action": "tag", "params": {"tag": "x" * 21}},)},
        {"actions": ({"action": "tag", "params": {"tag": "x", "more": "y"}},)},
        {"actions": ({"action": "mail_staff", "params": {"role": "emperor", "text": "x"}},)},
        {"conditions": {"match": "all", "items": [{"field": "x", "operator": "equals", "value": "y"}]}},
        {"most_an_hour": 0},
    ],
)
def test_what_is_no_rule_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(DomainError) as refused:
        add_rule(draft(**changes), by=build_person())

    assert refused.value.code == "bad_rule"
    assert AutomationRule.objects.count() == 0


def test_no_action_that_the_author_may_not_do() -> None:
    """Operations build rules, and may not ask for refunds by hand."""
    with pytest.raises(DomainError) as refused:
        add_rule(draft(actions=REFUND), by=build_person("operations"))

    assert refused.value.code == "right_missing"
    assert AutomationRule.objects.count() == 0


@pytest.mark.parametrize("role", ["viewer", "agent", "finance", "auditor"])
def test_other_roles_build_none(role: str) -> None:
    with pytest.raises(DomainError) as refused:
        add_rule(draft(), by=build_person(role))

    assert refused.value.code == "not_permitted"


def test_a_rule_is_off_until_its_dry_run_was_looked_at() -> None:
    rule = build_rule()

    with pytest.raises(DomainError) as refused:
        switch_on(rule.pk, by=rule.owner)
    assert refused.value.code == "not_looked_at"
    rule.refresh_from_db()
    assert not rule.is_on

    look_at_dry_run(rule)
    assert switch_on(rule.pk, by=build_person()).is_on


def test_a_new_version_is_off_until_it_was_tried_itself() -> None:
    rule = build_running()
    editor = build_person("supervisor", name="editor")

    save_version(rule.pk, draft(actions=REFUND), by=editor, based_on=1)

    rule.refresh_from_db()
    assert (rule.is_on, rule.owner) == (False, editor)
    assert list(RuleVersion.objects.filter(rule=rule).values_list("number", "author__username")) == [
        (2, "editor"),
        (1, "supervisor"),
    ]
    with pytest.raises(DomainError) as refused:
        switch_on(rule.pk, by=editor)
    assert refused.value.code == "not_looked_at"


def test_an_old_form_overwrites_nothing() -> None:
    rule = build_rule()
    save_version(rule.pk, draft(name="neu"), by=build_person(), based_on=1)

    with pytest.raises(DomainError) as refused:
        save_version(rule.pk, draft(name="alt"), by=build_person(), based_on=1)

    assert refused.value.code == "no_longer_current"
    rule.refresh_from_db()
    assert rule.name == "neu"


def test_an_editor_with_fewer_rights_takes_none_over() -> None:
    """A supervisor's rule asks for refunds; operations may not save it, however little they change."""
    rule = build_rule(actions=REFUND)

    with pytest.raises(DomainError) as refused:
        save_version(rule.pk, draft(actions=REFUND), by=build_person("operations"), based_on=1)

    assert refused.value.code == "right_missing"
    rule.refresh_from_db()
    assert rule.owner == build_person("supervisor")


def test_the_clock_pauses_a_rule_whose_owner_left() -> None:
    rule, other = build_running(), build_running(by=build_person("operations"))
    User.objects.filter(pk=rule.owner_id).update(is_active=False)

    assert pause_without_right() == 1

    rule.refresh_from_db()
    other.refresh_from_db()
    assert (rule.is_running, rule.paused_why, other.is_running) == (False, RulePause.OWNER, True)
    alert = Alert.objects.get(kind=Alert.Kind.RULE_PAUSED)
    assert (alert.subject, alert.closed_at) == (f"rule {rule.pk}", None)


def test_switching_off_heals_the_alert() -> None:
    rule = build_running()
    rule.owner.groups.clear()
    pause_without_right()

    switch_off(rule.pk, by=build_person("operations"))

    assert Alert.objects.filter(kind=Alert.Kind.RULE_PAUSED, closed_at__isnull=True).count() == 0


def test_a_paused_rule_needs_its_owners_right_again() -> None:
    rule = build_running()
    rule.owner.groups.clear()
    pause_without_right()

    with pytest.raises(DomainError) as refused:
        switch_on(rule.pk, by=build_person("operations"))

    assert refused.value.code == "not_permitted"
    rule.refresh_from_db()
    assert not rule.is_running
