"""Saves rules: each saving is a new version, whose author becomes the owner, and which is off until it was tried."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.utils.translation import gettext as _

from orders.models import Merchant
from ordersite.automation import conditions
from ordersite.automation.actions.registry import ACTIONS
from ordersite.automation.catalogue.triggers import EVENTS, MOST_HOURS, SCHEDULES
from ordersite.automation.errors import bad_rule, no_longer_current
from ordersite.automation.models import AutomationRule, RuleVersion
from ordersite.automation.models.rule import MOST_AN_HOUR
from ordersite.automation.rules import pause
from ordersite.automation.rules.rights import check_rights

MOST_ACTIONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDraft:
    """What a person has built. `actions` is a list of `{"action": key, "params": {…}}`; `hours` is for schedules."""

    name: str
    trigger: str
    merchant: Merchant | None = None
    hours: int | None = None
    conditions: Mapping[str, Any] = field(default_factory=lambda: {"match": "all", "items": []})
    actions: Sequence[Mapping[str, Any]] = ()
    most_an_hour: int = 200


def add_rule(draft: RuleDraft, *, by: AbstractUser) -> AutomationRule:
    """Add a rule with its first version; it is off. Raises `DomainError` bad_rule, not_permitted, right_missing."""
    checked = _checked(draft, by)
    with transaction.atomic():
        rule = AutomationRule.objects.create(
            name=draft.name.strip(), owner_id=by.pk, most_an_hour=draft.most_an_hour
        )
        _add_version(rule, draft, checked, by, number=1)
    return rule


def save_version(rule_id: int, draft: RuleDraft, *, by: AbstractUser, based_on: int) -> AutomationRule:
    """Add a version to a rule, which is off then: it was not tried. `based_on` is the number that was edited.

    Raises `DomainError` bad_rule, not_permitted, right_missing, no_longer_current.
    """
    checked = _checked(draft, by)
    with transaction.atomic():
        rule = AutomationRule.objects.select_for_update(no_key=True, of=("self",)).get(pk=rule_id)
        number = rule.versions.order_by("-number").values_list("number", flat=True)[0]
        if number != based_on:
            raise no_longer_current()
        rule.name, rule.owner_id, rule.most_an_hour = draft.name.strip(), by.pk, draft.most_an_hour
        rule.is_on, rule.paused_at, rule.paused_why, rule.paused_detail = False, None, "", ""
        rule.save()
        _add_version(rule, draft, checked, by, number=number + 1)
        pause.heal(rule.pk)
    return rule


@dataclass(frozen=True, slots=True)
class _Checked:
    conditions: dict[str, Any]
    actions: list[dict[str, Any]]


def _checked(draft: RuleDraft, by: AbstractUser) -> _Checked:
    """What is stored, each part checked against the catalogue, and the author's rights."""
    if not draft.name.strip() or len(draft.name) > 80:
        raise bad_rule(_("Give the rule a name."))
    if not 1 <= draft.most_an_hour <= MOST_AN_HOUR:
        raise bad_rule(_("A rule may act between 1 and %(most)s times an hour.") % {"most": MOST_AN_HOUR})
    _check_trigger(draft)
    if not 1 <= len(draft.actions) <= MOST_ACTIONS:
        raise bad_rule(_("A rule takes between 1 and %(most)s actions.") % {"most": MOST_ACTIONS})
    actions = [_action(one) for one in draft.actions]
    check_rights(by, [ACTIONS[one["action"]] for one in actions])
    return _Checked(conditions.parse(dict(draft.conditions)).as_json(), actions)


def _check_trigger(draft: RuleDraft) -> None:
    is_scheduled = draft.trigger in SCHEDULES
    if not is_scheduled and draft.trigger not in EVENTS:
        raise bad_rule(_("Say when the rule looks."))
    if is_scheduled and (draft.hours is None or not 1 <= draft.hours <= MOST_HOURS):
        raise bad_rule(_("Say after how many hours, between 1 and %(most)s.") % {"most": MOST_HOURS})


def _action(given: Mapping[str, Any]) -> dict[str, Any]:
    action = ACTIONS.get(str(given.get("action")))
    if action is None:
        raise bad_rule(_("There is no action “%(name)s”.") % {"name": str(given.get("action"))[:40]})
    return {"action": action.key, "params": action.checked(given.get("params", {}))}


def _add_version(
    rule: AutomationRule, draft: RuleDraft, checked: _Checked, by: AbstractUser, *, number: int
) -> None:
    hours = draft.hours if draft.trigger in SCHEDULES else None
    merchant_id = draft.merchant.pk if draft.merchant else None
    content = [draft.trigger, hours, merchant_id, checked.conditions, checked.actions]
    rule.current = RuleVersion.objects.create(
        rule=rule,
        number=number,
        merchant_id=merchant_id,
        trigger=draft.trigger,
        hours=hours,
        conditions=checked.conditions,
        actions=checked.actions,
        digest=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
        author_id=by.pk,
    )
    rule.save(update_fields=["current"])
