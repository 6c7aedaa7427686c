"""Tells staff in a group chat: a robot writes the words of the rule and the address of the order."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.models import Order
from ordersite.automation.actions.interface import (
    DONE,
    ActionOutcome,
    ActionParam,
    ActionTask,
    Choices,
    RuleAction,
    one_by_one,
    skipped,
)
from ordersite.messaging.models import MessageAccount
from ordersite.messaging.staff import queue_notice

_ROBOTS = ("dingtalk", "wecom", "feishu")
_GONE = "account_gone"


def _accounts() -> Choices:
    robots = MessageAccount.objects.filter(channel__in=_ROBOTS, is_active=True).order_by("slug")
    return [(slug, f"{slug} ({channel})") for slug, channel in robots.values_list("slug", "channel")]


def _notify(task: ActionTask) -> ActionOutcome:
    account = MessageAccount.objects.filter(slug=task.params["account"], is_active=True).first()
    if account is None:
        return skipped(_GONE)
    number = Order.objects.values_list("number", flat=True).get(pk=task.order_id)
    url = settings.PUBLIC_BASE_URL + reverse("admin:orders_order_change", args=[task.order_id])
    head = _("%(rule)s: order %(number)s") % {"rule": task.rule_name, "number": number}
    queue_notice(account, f"{head}\n{task.params['text']}\n{url}", task.key)
    return DONE


NOTIFY_STAFF = RuleAction(
    key="notify_staff",
    label=gettext_lazy("tell staff in a group chat"),
    explain=gettext_lazy("The robot of the account writes into its group, with a link to the order."),
    permission="automation.manage_rules",
    run=one_by_one(_notify),
    params=(
        ActionParam("account", gettext_lazy("message account"), choices=_accounts),
        ActionParam("text", gettext_lazy("what is said there")),
    ),
    words={_GONE: gettext_lazy("The message account is switched off or gone.")},
)
