"""What an action of a rule is: its right, its parameters, and a function that does it in one transaction.

An action calls nothing outside: it writes rows that others send. A refusal is a `DomainError`, whose words the run keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from orders.history.lines import Actor, Evidence
from ordersite.automation.errors import bad_rule
from ordersite.automation.models import ActionState

Choices = Sequence[tuple[str, str | Promise]]
Params = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ActionParam:
    """A parameter that staff fills in: a text of at most `most` characters, or one of the choices."""

    key: str
    label: str | Promise
    help_text: str | Promise = ""
    most: int = 200
    choices: Callable[[], Choices] | None = None
    is_required: bool = True
    default: str | Promise = ""

    def checked(self, value: Any) -> str:
        """The value, stripped. Raises `DomainError` bad_rule."""
        text = value.strip() if isinstance(value, str) else ""
        known = self.choices is None or not text or text in {key for key, _label in self.choices()}
        if (self.is_required and not text) or len(text) > self.most or "\0" in text or not known:
            raise bad_rule(_("“%(field)s” needs another value.") % {"field": self.label})
        return text


@dataclass(frozen=True, slots=True)
class ActionTask:
    """One action to do, for the owner of the rule. `key` names it for ever, so that doing it twice makes no second one."""

    rule_id: int
    rule_name: str
    run_id: int
    action_run_id: int
    order_id: int
    owner: AbstractUser
    key: str
    params: Params

    @property
    def actor(self) -> Actor:
        return Actor("rule", str(self.rule_id))

    @property
    def evidence(self) -> Evidence:
        return Evidence("rule_run", str(self.run_id))


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    """What became of an action; `code` says why there was nothing to do, or names what it made."""

    state: ActionState
    code: str = ""


DONE = ActionOutcome(ActionState.DONE)


def skipped(code: str) -> ActionOutcome:
    return ActionOutcome(ActionState.SKIPPED, code)


Runner = Callable[[Sequence[ActionTask]], Sequence[ActionOutcome]]


def one_by_one(run: Callable[[ActionTask], ActionOutcome]) -> Runner:
    """An action that knows no batch."""
    return lambda tasks: [run(task) for task in tasks]


@dataclass(frozen=True, slots=True)
class RuleAction:
    """An action of the catalogue. `permission` is what the owner would need to do it by hand.

    `run` does tasks of one rule in one transaction, at most `at_once` of them, and answers each. `is_proposal`: it only
    proposes, and a second person decides. `words` are those of its codes.
    """

    key: str
    label: str | Promise
    explain: str | Promise
    permission: str
    run: Runner
    params: tuple[ActionParam, ...] = ()
    at_once: int = 1
    is_proposal: bool = False
    words: Mapping[str, str | Promise] = field(default_factory=dict)

    def checked(self, given: Any) -> dict[str, str]:
        """The parameters, each checked. Raises `DomainError` bad_rule."""
        if not isinstance(given, dict) or not set(given) <= {param.key for param in self.params}:
            raise bad_rule(_("The action “%(action)s” has other parameters.") % {"action": self.label})
        return {param.key: param.checked(given.get(param.key, "")) for param in self.params}
