"""The texts that come with the product, for each fact and language. A shop's own text takes their place.

The fields at WeChat are numbered as the shop's template there numbers them: these are a beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ordersite.messaging.models import MessageEvent

_ZH, _EN = "zh-hans", "en"


@dataclass(frozen=True, slots=True)
class MessageText:
    """A text with variables: `text` for SMS and e-mail, `subject` for e-mail, `wechat` a line for each field."""

    subject: str
    text: str
    wechat: str


_ORDER_FIELDS = "character_string1: {order_number}\namount2: {amount}\nthing3: {products}"
_PARCEL_FIELDS = "character_string1: {order_number}\nthing2: {carrier}\ncharacter_string3: {tracking_number}"
_REFUND_FIELDS = "character_string1: {order_number}\namount2: {refunded_amount}\nthing3: {products}"
_CHINESE: Mapping[MessageEvent, tuple[str, str]] = {
    MessageEvent.CREATED: (
        "订单 {order_number} 已收到",
        "您的订单{order_number}已收到，共{amount}元。查看进度：{link}",
    ),
    MessageEvent.PAID: (
        "订单 {order_number} 已付款",
        "您的订单{order_number}已付款{amount}元，我们会尽快发货。查看进度：{link}",
    ),
    MessageEvent.SHIPPED: (
        "订单 {order_number} 已发货",
        "您的订单{order_number}已由{carrier}发出，运单号{tracking_number}。查看物流：{link}",
    ),
    MessageEvent.MOVING: (
        "订单 {order_number} 的包裹已在途中",
        "您的包裹{tracking_number}已在途中。查看物流：{link}",
    ),
    MessageEvent.OUT_FOR_DELIVERY: (
        "订单 {order_number} 的包裹正在派送",
        "您的包裹{tracking_number}正在派送，请保持电话畅通。查看物流：{link}",
    ),
    MessageEvent.READY_FOR_PICKUP: (
        "订单 {order_number} 的包裹待取件",
        "您的包裹{tracking_number}已到自提点或快递柜，请及时取件。查看物流：{link}",
    ),
    MessageEvent.DELIVERED: (
        "订单 {order_number} 的包裹已签收",
        "您的包裹{tracking_number}已签收。如非本人签收，请联系我们：{link}",
    ),
    MessageEvent.STALLED: (
        "订单 {order_number} 的包裹遇到延误",
        "您的包裹{tracking_number}遇到延误，我们正在联系{carrier}处理。查看物流：{link}",
    ),
    MessageEvent.PARTLY_REFUNDED: (
        "订单 {order_number} 已部分退款",
        "您的订单{order_number}已部分退款，累计{refunded_amount}元，款项将原路退回。查看详情：{link}",
    ),
    MessageEvent.REFUNDED: (
        "订单 {order_number} 已退款",
        "您的订单{order_number}已退款{refunded_amount}元，款项将原路退回。查看详情：{link}",
    ),
    MessageEvent.CLOSED: ("订单 {order_number} 已关闭", "您的订单{order_number}未在规定时间内付款，已关闭。"),
}
_ENGLISH: Mapping[MessageEvent, tuple[str, str]] = {
    MessageEvent.CREATED: (
        "Order {order_number} received",
        "We have your order {order_number} of {amount} yuan. Follow it here: {link}",
    ),
    MessageEvent.PAID: (
        "Order {order_number} paid",
        "Your order {order_number} of {amount} yuan is paid and will ship soon. Follow it here: {link}",
    ),
    MessageEvent.SHIPPED: (
        "Order {order_number} shipped",
        "Your order {order_number} left with {carrier}, waybill {tracking_number}. Follow it here: {link}",
    ),
    MessageEvent.MOVING: (
        "Order {order_number}: parcel under way",
        "Your parcel {tracking_number} is under way. Follow it here: {link}",
    ),
    MessageEvent.OUT_FOR_DELIVERY: (
        "Order {order_number}: out for delivery",
        "Your parcel {tracking_number} is out for delivery. Follow it here: {link}",
    ),
    MessageEvent.READY_FOR_PICKUP: (
        "Order {order_number}: ready for pick-up",
        "Your parcel {tracking_number} waits at a locker or pick-up point. See where: {link}",
    ),
    MessageEvent.DELIVERED: (
        "Order {order_number}: parcel signed for",
        "Your parcel {tracking_number} was signed for. If that was not you, tell us: {link}",
    ),
    MessageEvent.STALLED: (
        "Order {order_number}: parcel delayed",
        "Your parcel {tracking_number} is delayed; we are asking {carrier}. Follow it here: {link}",
    ),
    MessageEvent.PARTLY_REFUNDED: (
        "Order {order_number} refunded in part",
        "Of your order {order_number}, {refunded_amount} yuan in all go back the way you paid. Details: {link}",
    ),
    MessageEvent.REFUNDED: (
        "Order {order_number} refunded",
        "{refunded_amount} yuan of your order {order_number} go back the way you paid. Details: {link}",
    ),
    MessageEvent.CLOSED: (
        "Order {order_number} closed",
        "Your order {order_number} was not paid in time and is closed.",
    ),
}
_REFUND_EVENTS = frozenset({MessageEvent.PARTLY_REFUNDED, MessageEvent.REFUNDED})
_PARCEL_EVENTS = frozenset(
    event for event, (_subject, text) in _CHINESE.items() if "{tracking_number}" in text
)


def shipped_text(event: MessageEvent, language: str) -> MessageText | None:
    """The product's own text; None for a message that has none, such as a rule's."""
    found = (_CHINESE if language == _ZH else _ENGLISH).get(event)
    if found is None:
        return None
    fields = _PARCEL_FIELDS if event in _PARCEL_EVENTS else _ORDER_FIELDS
    return MessageText(*found, _REFUND_FIELDS if event in _REFUND_EVENTS else fields)
