"""Rules with their versions, what they did and would have done, and the tags of orders."""

from ordersite.automation.models.dry_run import DryRun, DryRunRow
from ordersite.automation.models.release import ReleaseRequest
from ordersite.automation.models.rule import AutomationRule, RulePause, RuleVersion
from ordersite.automation.models.run import ActionRun, ActionState, RuleRun, RunState
from ordersite.automation.models.tag import OrderTag

__all__ = [
    "ActionRun",
    "ActionState",
    "AutomationRule",
    "DryRun",
    "DryRunRow",
    "OrderTag",
    "ReleaseRequest",
    "RulePause",
    "RuleRun",
    "RuleVersion",
    "RunState",
]
