"""Calls a webhook of the merchant: the endpoint gets the order's number and the rule that matched, signed as ever."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

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
from ordersite.merchant_webhooks.catalogue import RULE_MATCHED
from ordersite.merchant_webhooks.models import WebhookEndpoint
from ordersite.merchant_webhooks.queue import queue_event

_GONE, _OTHER = "endpoint_gone", "other_shop"


def _endpoints() -> Choices:
    rows = WebhookEndpoint.objects.filter(is_active=True).select_related("merchant").order_by("pk")
    return [(str(row.pk), f"{row.merchant.name}: {row.host}") for row in rows]


def _call(task: ActionTask) -> ActionOutcome:
    order = Order.objects.only("number", "merchant_id").get(pk=task.order_id)
    endpoint = WebhookEndpoint.objects.filter(pk=task.params["endpoint"]).first()
    if endpoint is None:
        return skipped(_GONE)
    if endpoint.merchant_id != order.merchant_id:
        return skipped(_OTHER)
    data = {"order": order.number, "rule": task.rule_name, "text": task.params["text"]}
    queue_event(endpoint.pk, name=RULE_MATCHED, order_id=order.pk, data=data, key=task.key)
    return DONE


CALL_WEBHOOK = RuleAction(
    key="call_webhook",
    label=_("call a webhook"),
    explain=_(
        "The endpoint gets the event rule.matched with the order's number, the rule's name and your text, signed and tried "
        "again as every webhook."
    ),
    permission="merchant_webhooks.resend_webhookdelivery",
    run=one_by_one(_call),
    params=(
        ActionParam("endpoint", _("webhook endpoint"), choices=_endpoints),
        ActionParam("text", _("text that goes along"), is_required=False),
    ),
    words={
        _GONE: _("The endpoint is gone."),
        _OTHER: _("The endpoint belongs to another shop than the order."),
    },
)
