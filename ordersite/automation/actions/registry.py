"""All actions that rules may name, in the order in which the builder offers them."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ordersite.automation.actions.interface import RuleAction
from ordersite.automation.actions.mail import MAIL_STAFF
from ordersite.automation.actions.messages import SEND_MESSAGE
from ordersite.automation.actions.money import REQUEST_REFUND
from ordersite.automation.actions.notices import NOTIFY_STAFF
from ordersite.automation.actions.on_orders import HOLD, NOTE, OPEN_CASE, TAG
from ordersite.automation.actions.release import PROPOSE_RELEASE
from ordersite.automation.actions.webhooks import CALL_WEBHOOK

ACTIONS: Mapping[str, RuleAction] = {
    action.key: action
    for action in (
        SEND_MESSAGE,
        NOTIFY_STAFF,
        MAIL_STAFF,
        TAG,
        OPEN_CASE,
        NOTE,
        HOLD,
        PROPOSE_RELEASE,
        REQUEST_REFUND,
        CALL_WEBHOOK,
    )
}
# What the engine itself says of an action.
NOT_PERMITTED, FAULT, DIED, UNKNOWN, PAUSED = (
    "not_permitted",
    "fault",
    "died",
    "unknown_action",
    "rule_paused",
)
_WORDS: Mapping[str, Promise] = {
    NOT_PERMITTED: _("The rule's owner may not do this."),
    FAULT: _("An error of the program; it is in the log."),
    DIED: _("The process died at this run each time."),
    UNKNOWN: _("This version of the program does not know the action."),
    PAUSED: _("The rule was paused before it acted."),
}


def words_of(action: str, code: str) -> str:
    """Why an action failed or had nothing to do, in the reader's language; empty for a code without words."""
    known = ACTIONS.get(action)
    return str((known.words.get(code) if known else None) or _WORDS.get(code) or "")
