"""The templates that the shop has had approved: of text messages with their blanks, of WeChat with their fields."""

import re

from sandbox.store import Store

# What happened, and the text of the approved template.
TEXTS = {
    "order.created": "您的订单${order_number}已收到，共${amount}元。查看进度：${link}",
    "order.paid": "您的订单${order_number}已付款${amount}元，我们会尽快发货。查看进度：${link}",
    "order.shipped": "您的订单${order_number}已由${carrier}发出，运单号${tracking_number}。查看物流：${link}",
    "shipment.moving": "您的包裹${tracking_number}已在途中。查看物流：${link}",
    "shipment.out_for_delivery": "您的包裹${tracking_number}正在派送，请保持电话畅通。查看物流：${link}",
    "shipment.ready_for_pickup": "您的包裹${tracking_number}已到自提点或快递柜，请及时取件。查看物流：${link}",
    "shipment.delivered": "您的包裹${tracking_number}已签收。如非本人签收，请联系我们：${link}",
    "shipment.stalled": "您的包裹${tracking_number}遇到延误，我们正在联系${carrier}处理。查看物流：${link}",
    "order.refunded": "您的订单${order_number}已退款${refunded_amount}元，款项将原路退回。查看详情：${link}",
    "order.closed": "您的订单${order_number}未在规定时间内付款，已关闭。",
    "order.partly_refunded": "您的订单${order_number}已部分退款，累计${refunded_amount}元，"
    "款项将原路退回。查看详情：${link}",
}
_ORDER, _PARCEL = "character_string1 amount2 thing3", "character_string1 thing2 character_string3"
_LENGTHS = {"thing": 20, "character_string": 32, "number": 32, "phrase": 5, "name": 10, "amount": 20}
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_POSITION = re.compile(r"\{([1-9][0-9]?)\}")


def aliyun_templates() -> dict[str, str]:
    """Aliyun's code for each fact."""
    return {event: f"SMS_2611{number:05d}" for number, event in enumerate(TEXTS, start=1)}


def tencent_templates() -> dict[str, str]:
    """Tencent Cloud's id for each fact."""
    return {event: f"2611{number:03d}" for number, event in enumerate(TEXTS, start=1)}


def wechat_templates() -> dict[str, str]:
    """WeChat's template id for each fact; subscription messages use the same names."""
    return {event: f"TPL-{event.replace('.', '-').replace('_', '-')}" for event in TEXTS}


def sms_text(store: Store, channel: str, template: str) -> str | None:
    """The text of an approved template with its blanks; None for an unknown one."""
    row = store.row("SELECT text FROM message_templates WHERE channel = ? AND id = ?", channel, template)
    if row is not None:
        return str(row["text"])
    known = {code: TEXTS[event] for event, code in aliyun_templates().items()}
    if channel == "aliyun_sms":
        return known.get(template)
    positional = {code: in_positions(TEXTS[event]) for event, code in tencent_templates().items()}
    return positional.get(template)


def in_positions(text: str) -> str:
    """A text with named blanks as Tencent Cloud writes it: {1}, {2} …"""
    names = list(dict.fromkeys(_VARIABLE.findall(text)))
    return _VARIABLE.sub(lambda found: f"{{{names.index(found[1]) + 1}}}", text)


def variables_of(text: str) -> list[str]:
    """The names of a text's blanks, in their order."""
    return list(dict.fromkeys(_VARIABLE.findall(text)))


def positions_of(text: str) -> int:
    """How many blanks a positional text has."""
    return len(set(_POSITION.findall(text)))


def filled(text: str, params: dict[str, str]) -> str:
    """The text as its reader gets it."""
    return _VARIABLE.sub(lambda found: params[found[1]], text)


def filled_by_position(text: str, values: list[str]) -> str:
    """The text as its reader gets it."""
    return _POSITION.sub(lambda found: values[int(found[1]) - 1], text)


def wechat_fields(store: Store, template: str) -> list[str] | None:
    """The fields of a template at WeChat; None for an unknown one."""
    row = store.row("SELECT text FROM message_templates WHERE channel = 'wechat' AND id = ?", template)
    if row is not None:
        return str(row["text"]).split()
    event = {code: event for event, code in wechat_templates().items()}.get(template)
    if event is None:
        return None
    return (_PARCEL if event.startswith("shipment.") or event == "order.shipped" else _ORDER).split()


def field_problem(name: str, value: object) -> str:
    """Why WeChat does not take this value; empty where it does."""
    if not isinstance(value, str) or not value:
        return f"data.{name}.value is emtpy"
    most = _LENGTHS.get(name.rstrip("0123456789"), 100)
    return f"data.{name}.value invalid" if len(value) > most or "\n" in value else ""


def add_template(store: Store, *, channel: str, template: str, text: str) -> None:
    """Approve a template: of `aliyun_sms` with ${name}, of `tencent_sms` with {1}, of `wechat` the names of its fields."""
    store.rows("INSERT OR REPLACE INTO message_templates VALUES (?, ?, ?)", channel, template, text)
