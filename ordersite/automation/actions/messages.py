"""Writes to the buyer through the shop's message accounts: the standard texts, or a text that the shop keeps for rules."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from logistics.models import Shipment
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
from ordersite.messaging.compose import FactToTell, QueueResult, fact_key, queue, subject_of
from ordersite.messaging.models import MessageEvent, MessageTemplate
from ordersite.messaging.models.events import OF_ORDERS, OF_PARCELS

_OWN_TEXT = "text:"
_NO_TEXT, _NO_PARCEL = "no_text", "no_parcel"
_WECHAT, _SMS = ("wechat_template", "wechat_subscribe"), ("aliyun_sms", "tencent_sms")
_CHANNELS: Mapping[str, tuple[tuple[str, ...], Promise]] = {
    "shop": ((), _("as the shop has chosen")),
    "wechat_sms": ((*_WECHAT, *_SMS), _("WeChat, else SMS")),
    "wechat": (_WECHAT, _("WeChat alone")),
    "sms": (_SMS, _("SMS alone")),
    "email": (("email",), _("e-mail alone")),
}


def _texts() -> Choices:
    own = MessageTemplate.objects.filter(event=MessageEvent.RULE.value).order_by("name")
    names = dict.fromkeys(own.values_list("name", flat=True))
    return [
        *((one.value, one.label) for one in OF_ORDERS),
        *((f"{_OWN_TEXT}{name}", name) for name in names),
    ]


def _send(task: ActionTask) -> ActionOutcome:
    order = Order.objects.select_related("buyer", "merchant").get(pk=task.order_id)
    channels = _CHANNELS[task.params["channels"]][0]
    text = task.params["message"]
    if text.startswith(_OWN_TEXT):
        return _send_own(task, order, text.removeprefix(_OWN_TEXT), channels)
    event, shipment_id = MessageEvent(text), None
    subject = subject_of(order, event)
    if event in OF_PARCELS:
        newest = Shipment.objects.filter(order=order).order_by("-pk").values_list("pk", flat=True).first()
        if newest is None:
            return skipped(_NO_PARCEL)
        subject = shipment_id = newest
    # The key of the fact itself: what the shop tells of it anyway, and this, are one message.
    key = fact_key(order, event, subject)
    return _outcome(queue([FactToTell(order, event, key, shipment_id, channels)])[0])


def _send_own(task: ActionTask, order: Order, name: str, channels: tuple[str, ...]) -> ActionOutcome:
    own = MessageTemplate.objects.filter(merchant=order.merchant, event=MessageEvent.RULE.value, name=name)
    template = own.order_by("pk").first()
    if template is None:
        return skipped(_NO_TEXT)
    fact = FactToTell(order, MessageEvent.RULE, task.key, channels=channels, template=template)
    return _outcome(queue([fact])[0])


def _outcome(result: QueueResult) -> ActionOutcome:
    return DONE if result is QueueResult.QUEUED else skipped(result.value)


SEND_MESSAGE = RuleAction(
    key="send_message",
    label=_("write to the buyer"),
    explain=_(
        "Over the first channel that works, within quiet hours and limits, and never to who wants none. What the shop "
        "tells of the same fact anyway is not said twice."
    ),
    permission="messaging.resend_message",
    run=one_by_one(_send),
    params=(
        ActionParam("message", _("which message"), choices=_texts),
        ActionParam(
            "channels",
            _("over which channel"),
            choices=lambda: [(key, label) for key, (_names, label) in _CHANNELS.items()],
            default="shop",
        ),
    ),
    words={
        QueueResult.ALREADY.value: _("The buyer is told of this already."),
        QueueResult.OFF.value: _("The shop does not tell buyers of this."),
        QueueResult.NO_CHANNEL.value: _("The shop has no channel for it, or the buyer no address."),
        _NO_TEXT: _("The shop of the order has no text of this name."),
        _NO_PARCEL: _("The order has no parcel yet."),
    },
)
